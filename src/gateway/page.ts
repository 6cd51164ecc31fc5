/** An HTTP response of the gateway, before it is written. */

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
