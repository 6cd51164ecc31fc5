/** What each stream sent and received in a scenario, for a person to read. */
import type { ObservedStream } from './observation.ts';

export function describe(streams: readonly ObservedStream[]): string {
  return streams.map(describeStream).join('\n');
}

function describeStream(stream: ObservedStream): string {
  const lines = [
    ...stream.requests.map(({ kind, create, watchId, moment }) => ({
      turn: moment.turn,
      text: `→ ${kind} ${create === null ? watchId || '' : JSON.stringify(create)} [${moment.committed}, ${moment.atMs} ms]`,
    })),
    ...stream.responses.map((response) => ({
      turn: response.moment.turn,
      text: `← ${response.watchId}${response.isCreated ? ' created' : ''}${response.isCanceled ? ' canceled' : ''}${
        response.compactRevision === 0 ? '' : ` compacted ${response.compactRevision}`
      } ${response.reason} header ${response.headerRevision}${response.isFragment ? ' fragment' : ''} ${response.events
        .map(({ revision, key, isDelete }) => `${isDelete ? '-' : '+'}${key}@${revision}`)
        .join(
          ' ',
        )} [${response.moment.committed}, ${response.moment.atMs} ms${response.wasPaused ? ', paused' : ''}]`,
    })),
  ];
  lines.sort((a, b) => a.turn - b.turn);
  const end = stream.status === null ? '' : `\n  end ${stream.status.text}`;
  return `${stream.name} ${stream.tenant}${stream.requiresLeader ? ' requires leader' : ''}\n${lines
    .map(({ turn, text }) => `  ${turn} ${text}`)
    .join('\n')}${end}`;
}
