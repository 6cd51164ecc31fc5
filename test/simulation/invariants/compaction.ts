/**
 * A watch is cancelled as compacted only if history that it may still need is lost, and with the revision of a compaction that
 * has happened: of the store, or of the tenant if the watch starts below its floor.
 */
import type { ObservedStream, ObservedWatch } from '../observation.ts';
import { isStreamProgress } from './bookmarkable.ts';
import { eachWatch, type History, type Invariant, newestBefore } from './invariant.ts';

export const compaction: Invariant = {
  name: 'compaction',
  check: (history, report) =>
    eachWatch(history, (watch, stream, label) => {
      const { floor } = watch.request.moment;
      const { startRevision } = watch.create;
      const isBelowFloor = startRevision > 0 && startRevision < floor;
      if (watch.end !== 'compacted') {
        const isRejectedLater = watch.end === 'canceled' || !stream.isOpen;
        if (isBelowFloor && !isRejectedLater) report(`${label}: starts below the floor ${floor}`);
        return;
      }
      const { ended } = watch;
      if (ended === null) return;
      const { compactRevision, moment, reason } = ended;
      if (startRevision < 0) return;
      if (reason !== '') report(`${label}: compacted with the reason "${reason}"`);
      if (isBelowFloor) {
        if (compactRevision !== floor)
          report(`${label}: compacted at ${compactRevision}, not ${floor}`);
        return;
      }
      const hasHappened =
        compactRevision <= moment.compacted && history.store.compactions.has(compactRevision);
      if (!hasHappened) report(`${label}: compacted at ${compactRevision}, which never happened`);
      const needed = firstNeeded(history, watch, stream, ended.index);
      if (needed >= compactRevision) {
        report(`${label}: compacted at ${compactRevision}, but it continues at ${needed}`);
      }
    }),
};

/** The first revision that the client can still expect at the response with this index. */
function firstNeeded(
  { isOrdered }: History,
  watch: ObservedWatch,
  stream: ObservedStream,
  index: number,
): number {
  const createdAt = watch.created?.index ?? 0;
  // Unordered progress of an old release may be ahead of the watch.
  const progress = isOrdered ? stream.responses.filter(isStreamProgress) : [];
  const bookmarks = [...watch.notifications, ...progress]
    .filter((response) => response.index > createdAt && response.index < index)
    .map(({ headerRevision }) => headerRevision + 1);
  return Math.max(watch.firstRevision, newestBefore(watch, index) + 1, ...bookmarks);
}
