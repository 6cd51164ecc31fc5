/**
 * A progress revision means that everything up to it was delivered before. It never goes back, is never above what the store
 * has, and for a progress request it is at least what was committed when the request was sent. Once everything is quiet, a
 * progress request gets a response where etcd would send one.
 */
import type { ObservedResponse, ObservedStream, ObservedWatch } from '../observation.ts';
import {
  countUpTo,
  deliveredBefore,
  expectedEvents,
  type History,
  type Invariant,
  newestBefore,
  type Report,
} from './invariant.ts';

export const bookmarkable: Invariant = {
  name: 'bookmarkable',
  check: (history, report) => {
    for (const stream of history.streams) {
      const reportAt: Report = (what) => report(`${stream.name}, ${what}`);
      const responses = stream.responses.filter(isStreamProgress);
      checkRevisions(responses, stream, reportAt);
      for (const response of responses) {
        for (const watch of openAt(stream, response.index)) {
          checkBookmark(history, watch, stream, response, reportAt, history.isOrdered);
        }
      }
      for (const watch of stream.watches) {
        for (const response of watch.notifications) {
          checkBookmark(history, watch, stream, response, reportAt, true);
        }
      }
      checkLastRequest(history, stream, reportAt);
    }
  },
};

export function isStreamProgress({ watchId, isCreated }: ObservedResponse): boolean {
  return watchId === -1 && !isCreated;
}

/** The watches that were created and not over when the response with this index arrived. */
function openAt({ watches }: ObservedStream, index: number): readonly ObservedWatch[] {
  return watches.filter(
    ({ created, ended }) =>
      created !== null && created.index < index && (ended === null || ended.index > index),
  );
}

function checkBookmark(
  history: History,
  watch: ObservedWatch,
  stream: ObservedStream,
  { headerRevision, index, moment }: ObservedResponse,
  report: Report,
  isOrdered: boolean,
): void {
  const label = `watch ID ${watch.created?.watchId}: progress ${headerRevision}`;
  const expected = countUpTo(expectedEvents(history, watch, stream), headerRevision);
  if (isOrdered && expected > deliveredBefore(watch, index)) {
    report(`${label} before an event up to it`);
  }
  if (headerRevision < newestBefore(watch, index)) report(`${label} after a newer event`);
  if (headerRevision > moment.committed) report(`${label} above ${moment.committed}`);
  const before = watch.notifications.filter((other) => other.index < index);
  if (before.some((other) => other.headerRevision > headerRevision)) report(`${label} goes back`);
}

/** Responses belong to requests in order, though requests may stay without a response. */
function checkRevisions(
  responses: readonly ObservedResponse[],
  { requests }: ObservedStream,
  report: Report,
): void {
  const asked = requests.filter(({ kind }) => kind === 'progress');
  let newest = 0;
  for (const [i, { headerRevision, moment }] of responses.entries()) {
    const request = asked[i];
    if (request === undefined || request.moment.turn > moment.turn) {
      report('a progress response without a request');
    } else if (headerRevision < request.moment.committed) {
      report(`progress ${headerRevision}, requested at ${request.moment.committed}`);
    }
    if (headerRevision < newest) report(`progress ${headerRevision} after ${newest}`);
    newest = headerRevision;
  }
}

/** The last request was sent when everything was quiet. */
function checkLastRequest(
  { store, isOrdered }: History,
  stream: ObservedStream,
  report: Report,
): void {
  const last = stream.requests.at(-1);
  if (!stream.isOpen || last?.kind !== 'progress') return;
  // With an old release a private watch that receives no event never knows that it is in sync.
  if (!isOrdered || last.moment.committed < store.revision) return;
  const open = stream.watches.filter(({ end }) => end === 'open');
  const isInSync = open.every(({ create }) => create.startRevision <= store.revision);
  const isCompacted = stream.watches.some(({ end }) => end === 'compacted');
  if (open.length === 0 || !isInSync || isCompacted) return;
  const response = stream.responses.filter(isStreamProgress).at(-1);
  if ((response?.headerRevision ?? 0) < last.moment.committed) {
    report('no response to a progress request while everything was quiet');
  }
}
