/** How the clients of a cell reach etcd. */

export type PathName = 'proxy' | 'grpc-proxy' | 'direct';

export const pathNames: readonly PathName[] = ['proxy', 'grpc-proxy', 'direct'];

/** Of the keys of every path, as etcd stores them. */
export const namespace = 'faults/';

/** The process between clients and etcd, which can fail as well. */
export interface Middle {
  kill(): Promise<void>;
  /** Resolves when it has drained and ended. */
  drain(): Promise<void>;
  /** Starts it again on the same address; resolves when it serves. */
  start(): Promise<void>;
}

export interface Path extends AsyncDisposable {
  readonly name: PathName;
  /** Where clients connect to, `host:port`. */
  readonly addresses: readonly string[];
  /** What clients add to their keys. */
  readonly prefix: string;
  /** Null if clients connect to etcd itself. */
  readonly middle: Middle | null;
  /** What the process has reported about bugs of its own. */
  readonly complaints: readonly string[];
}

export function directPath(addresses: readonly string[]): Path {
  return {
    name: 'direct',
    addresses,
    prefix: namespace,
    middle: null,
    complaints: [],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Starts the process of a path. Disposes of the path if the process does not serve. */
export async function started<P extends Path & Middle>(path: P): Promise<P> {
  try {
    await path.start();
    return path;
  } catch (error) {
    await path[Symbol.asyncDispose]();
    throw error;
  }
}
