/** What a page of the gateway says, before it is written out. */

export interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

export function text(code: number, line: string): Answer {
  return { code, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}

/** Without spaces and without a line end, as etcd writes it: some clients compare texts. */
export function json(code: number, value: unknown): Answer {
  return { code, type: 'application/json', body: JSON.stringify(value) };
}
