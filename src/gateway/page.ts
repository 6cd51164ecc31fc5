/** A page of the gateway, before it is written. */
import type { HttpExchange } from './exchange.ts';

export interface Page {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

export function text(code: number, line: string): Page {
  return { code, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}

/** Without spaces and line end, as etcd writes JSON: some clients compare the text. */
export function json(code: number, value: unknown): Page {
  return { code, type: 'application/json', body: JSON.stringify(value) };
}

/** Ends the exchange with the page. */
export function writePage(exchange: HttpExchange, page: Page, headers: readonly string[]): void {
  const { code, type, body } = page;
  exchange.head(code, [
    ...headers,
    ...['Content-Type', type],
    ...['Cache-Control', 'no-store'],
    ...['X-Content-Type-Options', 'nosniff'],
    ...(code === 405 ? ['Allow', 'GET'] : []),
  ]);
  exchange.end(body);
}
