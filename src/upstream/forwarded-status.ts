/**
 * Selects the part of a status that a client receives: code, text, and the one trailer that etcd can send. Everything else comes
 * from a broken server, or from a proxy between here and etcd, and would otherwise speak in the name of this proxy: a reason, or a
 * pushback that stops the client's retries. The transport bounds the size of all trailers.
 */
import { metadataValue, noMetadata } from '../grpc/metadata.ts';
import { type Status, status } from '../grpc/status.ts';

/** Details of a status, which grpc-go adds where a handler does. */
const detailsTrailer = 'grpc-status-details-bin';

export function forwardedStatus(ended: Status): Status {
  if (ended.origin !== 'peer' || ended.trailers.length === 0) return ended;
  const details = metadataValue(ended.trailers, detailsTrailer);
  const trailers = details === undefined ? noMetadata : [detailsTrailer, details];
  return status(ended.code, ended.text, ended.origin, trailers);
}
