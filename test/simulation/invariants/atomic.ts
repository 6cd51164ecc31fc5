/**
 * All events of a revision are in one response or its fragments. Fragments are sent only to watches that asked for them, and
 * nothing else is sent between them.
 */
import type { ObservedResponse, ObservedStream } from '../observation.ts';
import { eachWatch, type Invariant, type Report, wholeResponses } from './invariant.ts';

export const atomic: Invariant = {
  name: 'atomic',
  check: (history, report) =>
    eachWatch(history, (watch, stream, label) => {
      let newest = 0;
      for (const pieces of wholeResponses(watch)) {
        const revisions = pieces.flatMap(({ events }) => events.map(({ revision }) => revision));
        const [first = 0] = revisions;
        if (first === newest) report(`${label}: revision ${first} in two responses`);
        newest = revisions.at(-1) ?? newest;
        if (pieces.length > 1 && !watch.create.fragment) report(`${label}: unwanted fragments`);
        checkPieces(pieces, stream, (what) => report(`${label}: ${what}`));
      }
    }),
};

function checkPieces(
  pieces: readonly ObservedResponse[],
  stream: ObservedStream,
  report: Report,
): void {
  const last = pieces.at(-1);
  if (last?.isFragment && stream.isOpen) report('the last fragment is missing');
  for (const [i, piece] of pieces.entries()) {
    const before = pieces[i - 1];
    if (before !== undefined && piece.index !== before.index + 1) {
      report(`responses ${before.index} and ${piece.index} are fragments that are not adjacent`);
    }
  }
}
