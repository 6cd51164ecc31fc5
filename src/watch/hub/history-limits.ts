/** The bounds of histories. */
export interface HistoryLimits {
  /** Of one history. */
  readonly bytesMax: number;
  readonly batchesMax: number;
  /** Of all histories of a tenant. */
  readonly tenantBytesMax: number;
  /** Of all histories of the process. */
  readonly processBytesMax: number;
}

export const historyLimits: HistoryLimits = {
  bytesMax: 8 << 20,
  batchesMax: 16_384,
  tenantBytesMax: 16 << 20,
  processBytesMax: 32 << 20,
};
