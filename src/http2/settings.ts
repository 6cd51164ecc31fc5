/**
 * SETTINGS: the values that the peer announced, and the frame that announces those of this end. It validates values (RFC 9113,
 * section 6.5.2); the frame handler applies the consequences of a change.
 */
import {
  ErrorCode,
  FrameType,
  maxInt31,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from './frame.ts';

export const SettingId = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

const settingBytes = 6;

/** The peer's settings. They begin with the protocol's defaults. */
export class PeerSettings {
  headerTableBytes = 4_096;
  streamsMax = Number.POSITIVE_INFINITY;
  initialWindowBytes = 65_535;
  /** The first SETTINGS frame was applied. */
  isReceived = false;

  /** Applies a payload in order; returns the error code of the first illegal value, or NO_ERROR. */
  apply(payload: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at += settingBytes) {
      const id = ((payload[at] as number) << 8) | (payload[at + 1] as number);
      const value = readUint32(payload, at + 2);
      switch (id) {
        case SettingId.HEADER_TABLE_SIZE:
          this.headerTableBytes = value;
          break;
        case SettingId.ENABLE_PUSH:
          if (value > 1) return ErrorCode.PROTOCOL_ERROR;
          break;
        case SettingId.MAX_CONCURRENT_STREAMS:
          this.streamsMax = value;
          break;
        case SettingId.INITIAL_WINDOW_SIZE:
          if (value > maxInt31) return ErrorCode.FLOW_CONTROL_ERROR;
          this.initialWindowBytes = value;
          break;
        case SettingId.MAX_FRAME_SIZE:
          // Validated but not stored: no frame is larger than the 16,384 bytes that every peer accepts.
          if (value < 16_384 || value > 0xff_ffff) return ErrorCode.PROTOCOL_ERROR;
          break;
        default:
          // The RFC requires that unknown settings are ignored. MAX_HEADER_LIST_SIZE is advisory and far above what is sent.
          break;
      }
    }
    return ErrorCode.NO_ERROR;
  }
}

/** A whole SETTINGS frame of `[id, value]` pairs. */
export function settingsFrame(pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const length = pairs.length * settingBytes;
  const frame = Buffer.alloc(9 + length);
  let at = writeFrameHeader(frame, 0, length, FrameType.SETTINGS, 0, 0);
  for (const [id, value] of pairs) {
    frame[at + 1] = id;
    at = writeUint32(frame, at + 2, value);
  }
  return frame;
}
