/** An HTTP response of the admin address, before it is written. */
export interface Page {
  readonly code: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

export function text(code: number, line: string): Page {
  return { code, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}

/** Indented, because operators read these pages in a terminal. */
export function json(value: unknown): Page {
  return {
    code: 200,
    type: 'application/json',
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}
