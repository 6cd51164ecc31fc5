/**
 * The W3C trace context in the metadata of a client: which trace its call belongs to. Values that are not valid are ignored,
 * as if the client had sent none. `grpc-trace-bin`, an older format, is not read.
 * https://www.w3.org/TR/trace-context/
 */
import type { Metadata } from '../../grpc/metadata.ts';

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The span of the client, in 16 hexadecimal digits. */
  readonly spanId: string;
  readonly isSampled: boolean;
  /** `tracestate`, which is passed on unchanged. Empty without one. */
  readonly state: string;
}

/** Version, trace ID, span ID and flags. A later version than 00 may have more behind them. */
const traceParent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const parentBytesMax = 256;
const sampledFlag = 1;
/** The specification requires 512 to be passed on. */
const stateBytesMax = 512;
/** What a header may contain, without the characters that no entry of a list may have. */
const legalState = /^[!-~](?:[ -~]*[!-~])?$/;

/** Null if the client has sent no valid one, or several. */
export function traceContext(metadata: Metadata): TraceContext | null {
  let parent = '';
  let state = '';
  for (let i = 0; i < metadata.length; i += 2) {
    const name = metadata[i];
    const value = metadata[i + 1] ?? '';
    if (name === 'traceparent') {
      if (parent !== '') return null;
      parent = value;
    } else if (name === 'tracestate') state = state === '' ? value : `${state},${value}`;
  }
  if (parent === '' || parent.length > parentBytesMax) return null;
  const [, version = '', traceId = '', spanId = '', flags = '', rest] =
    traceParent.exec(parent) ?? [];
  const isValid = version !== '' && version !== 'ff' && (version !== '00' || rest === undefined);
  if (!isValid || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  const isStateLegal = state.length <= stateBytesMax && legalState.test(state);
  const isSampled = (Number.parseInt(flags, 16) & sampledFlag) !== 0;
  return { traceId, spanId, isSampled, state: isStateLegal ? state : '' };
}

/** The metadata with which another process continues the trace below `spanId`. */
export function contextMetadata(
  traceId: string,
  spanId: string,
  isSampled: boolean,
  state: string,
): Metadata {
  const parent = `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
  return state === '' ? ['traceparent', parent] : ['traceparent', parent, 'tracestate', state];
}
