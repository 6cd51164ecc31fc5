/**
 * How far a mirror has come, as the destination stores it. It is written in the transactions of the changes themselves, so
 * it is always right: a mirror that was killed at any moment continues exactly where it was.
 *
 *   copying ─everything is equal to the source at `revision`→ following ─the source has compacted what follows→ copying
 */

const formatVersion = 1;

export interface Position {
  readonly source: {
    /** 16 hexadecimal digits. */
    readonly clusterId: string;
    readonly namespace: Buffer;
  };
  /** Of the destination. */
  readonly namespace: Buffer;
  /** The process that writes it. Another one takes over by replacing this. */
  readonly session: string;
  /** Counts the writes of a session, so that two positions are never equal. */
  readonly sequence: number;
  readonly state: MirrorState;
}

export type MirrorState =
  /** Keys up to `lastKey`, without the namespace, are as the source has them at `revision`. Null: none is yet. */
  | { readonly at: 'copying'; readonly revision: number; readonly lastKey: Buffer | null }
  /** All changes up to `revision` are applied, and the first `applied` changes of the revision after it that changes a key. */
  | { readonly at: 'following'; readonly revision: number; readonly applied: number };

export function encodePosition({ source, namespace, session, sequence, state }: Position): Buffer {
  return Buffer.from(
    JSON.stringify({
      format: formatVersion,
      source: { clusterId: source.clusterId, namespace: source.namespace.toString('base64') },
      namespace: namespace.toString('base64'),
      ...{ session, sequence },
      state: state.at,
      revision: state.revision,
      ...(state.at === 'copying'
        ? { lastKey: state.lastKey?.toString('base64') ?? null }
        : { applied: state.applied }),
    }),
  );
}

/** Returns null for a value that is not a position of this version. */
export function decodePosition(value: Uint8Array): Position | null {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>;
  } catch {
    return null;
  }
  const { format, source, namespace, session, sequence } = parsed ?? {};
  const { clusterId, namespace: from } = (source ?? {}) as Record<string, unknown>;
  const state = stateIn(parsed);
  const isValid =
    format === formatVersion &&
    [clusterId, from, namespace, session].every((each) => typeof each === 'string') &&
    isCount(sequence);
  if (!isValid || state === null) return null;
  return {
    source: { clusterId: String(clusterId), namespace: Buffer.from(String(from), 'base64') },
    namespace: Buffer.from(String(namespace), 'base64'),
    session: String(session),
    sequence,
    state,
  };
}

function stateIn(parsed: Record<string, unknown>): MirrorState | null {
  const { state, revision, lastKey, applied } = parsed ?? {};
  if (!isCount(revision)) return null;
  if (state === 'following' && isCount(applied)) return { at: state, revision, applied };
  if (state !== 'copying') return null;
  if (lastKey === null) return { at: state, revision, lastKey };
  return typeof lastKey === 'string'
    ? { at: state, revision, lastKey: Buffer.from(lastKey, 'base64') }
    : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
