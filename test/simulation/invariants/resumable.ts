/**
 * A client may resume after the newest event that it has received: all events up to it were delivered before. The revision of
 * `created` is current: at least what was committed when the create was sent, unless the proxy could not read it.
 */
import {
  countUpTo,
  eachWatch,
  expectedEvents,
  type Invariant,
  wholeResponses,
} from './invariant.ts';

export const resumable: Invariant = {
  name: 'resumable',
  check: (history, report) =>
    eachWatch(history, (watch, stream, label) => {
      const expected = expectedEvents(history, watch, stream);
      let delivered = 0;
      for (const pieces of wholeResponses(watch)) {
        for (const { events } of pieces) delivered += events.length;
        const last = pieces.at(-1);
        const newest = last?.events.at(-1)?.revision ?? 0;
        if (last === undefined || last.isFragment) continue;
        if (countUpTo(expected, newest) > delivered) {
          report(`${label}: not everything up to revision ${newest} was delivered with it`);
        }
        const { headerRevision, moment } = last;
        if (headerRevision < newest || headerRevision > moment.committed) {
          report(`${label}: header revision ${headerRevision} with an event of ${newest}`);
        }
      }
      const { created, request, create } = watch;
      if (created === null) return;
      const { headerRevision, moment } = created;
      // The header of a watch that the client has cancelled before means nothing.
      const isCancelled = stream.requests.some(
        ({ kind, watchId, moment: { turn } }) =>
          kind === 'cancel' && watchId === created.watchId && turn <= moment.turn,
      );
      if (isCancelled) return;
      if (headerRevision > moment.committed) {
        report(`${label}: created at ${headerRevision}, above ${moment.committed}`);
      }
      if (create.startRevision !== 0 || headerRevision >= request.moment.committed) return;
      const hasFence = !history.failedFences.some(
        (turn) => turn >= request.moment.turn && turn <= moment.turn,
      );
      if (hasFence) {
        const { committed } = request.moment;
        report(`${label}: created at ${headerRevision}, but ${committed} was committed before`);
      }
    }),
};
