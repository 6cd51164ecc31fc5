/**
 * Constants and primitives of the frame layer: types, flags, error codes and the frame header of nine bytes. No state, no I/O.
 * RFC 9113, sections 4.1, 6 and 7.
 */

export const frameHeaderBytes = 9;

/** The largest stream ID and the largest flow-control window. */
export const maxInt31 = 0x7fff_ffff;

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const Flag = {
  END_STREAM: 0x1,
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;

const errorNames = Object.keys(ErrorCode);

/** The RFC's name of an error code, or its number in hexadecimal if it is unknown. */
export function errorName(code: number): string {
  return errorNames[code] ?? `0x${code.toString(16)}`;
}

/** Precedes a client's first frame. RFC 9113, section 3.4. */
export const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Writes a frame header at `at` and returns the offset after it. The caller ensures that it fits. */
export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  return writeUint32(into, at + 5, streamId);
}

/** Writes 32 bits in network order and returns the offset after them. */
export function writeUint32(into: Uint8Array, at: number, value: number): number {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
  return at + 4;
}

/** Reads 32 bits in network order, unsigned. */
export function readUint32(from: Uint8Array, at: number): number {
  return readInt31(from, at) + ((from[at] as number) & 0x80 ? 0x8000_0000 : 0);
}

/** Reads 31 bits in network order. HTTP/2 reserves the top bit of such fields, and receivers ignore it. */
export function readInt31(from: Uint8Array, at: number): number {
  return (
    (((from[at] as number) & 0x7f) << 24) |
    ((from[at + 1] as number) << 16) |
    ((from[at + 2] as number) << 8) |
    (from[at + 3] as number)
  );
}
