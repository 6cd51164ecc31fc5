/** What each stream and call sent and received in a scenario, for a person to read. */
import { Reader } from '../../src/protobuf/reader.ts';
import type { Moment, ObservedStream } from './observation.ts';
import type { ObservedRead, ObservedWrite } from './observed-call.ts';
import type { Operation } from './store.ts';

export interface ObservedCalls {
  readonly reads: readonly ObservedRead[];
  readonly writes: readonly ObservedWrite[];
}

export function describe(
  streams: readonly ObservedStream[],
  { reads, writes }: ObservedCalls,
): string {
  const calls = [...reads, ...writes].sort(
    (a, b) => a.call.facts.arrived.turn - b.call.facts.arrived.turn,
  );
  return [...streams.map(describeStream), ...calls.map(describeCall)].join('\n');
}

function describeCall(observed: ObservedRead | ObservedWrite): string {
  const { passed, response, status, ended } = observed.call;
  const { tenant, connection, arrived, seen } = observed.call.facts;
  const what =
    observed.kind === 'read'
      ? `read ${JSON.stringify(observed.read, (_, value) => value || undefined)}`
      : `write ${observed.operations.map(describeOperation).join(' ')} @${observed.revision}`;
  return [
    `${what} of ${tenant} on connection ${connection}, which has seen ${seen}`,
    `  → ${describeMoment(arrived)}`,
    ...(passed === null ? [] : [`  passed ${describeMoment(passed)}`]),
    ...(response === null
      ? []
      : [`  ← header ${response.revision} ${describeBody(response.fields)}`]),
    `  ${ended === null ? 'open' : `${status?.text || 'over'} ${describeMoment(ended)}`}`,
  ].join('\n');
}

function describeMoment({ turn, epoch, committed, atMs }: Moment): string {
  return `turn ${turn} [${epoch === 0 ? '' : `epoch ${epoch}, `}${committed}, ${atMs} ms]`;
}

function describeOperation({ key, isDelete }: Operation): string {
  return `${isDelete ? '-' : '+'}${key}`;
}

function describeBody(fields: Uint8Array): string {
  const parts: string[] = [];
  const reader = new Reader(fields);
  while (reader.next()) {
    if (reader.field === 3) parts.push('more');
    else if (reader.field === 4) parts.push(`count ${reader.number()}`);
    else {
      const keyValue = reader.message();
      while (keyValue.next()) {
        if (keyValue.field === 1) parts.push(Buffer.from(keyValue.bytes()).toString('latin1'));
        else if (keyValue.field === 3) parts.push(`@${keyValue.number()}`);
      }
    }
  }
  return parts.join(' ');
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
