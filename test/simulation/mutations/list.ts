/** Deliberate breaks of the hub and the cache, as replacements in its source. The simulation has to catch each of them. */

/** A text that occurs once in a file of src, and what replaces it. */
export interface Replacement {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutation {
  readonly what: string;
  readonly replacements: readonly Replacement[];
}

/** A break with one replacement. */
export function mutation(what: string, file: string, from: string, to: string): Mutation {
  return { what, replacements: [{ file, from, to }] };
}

const feed = 'watch/hub/feed.ts';
const view = 'watch/hub/view.ts';
const history = 'watch/hub/history.ts';
const share = 'watch/hub/history-share.ts';
const tenantHub = 'watch/hub/tenant-hub.ts';
const catchUp = 'watch/hub/catch-up.ts';
const assembler = 'watch/hub/revision-assembler.ts';
const upstream = 'watch/hub/upstream-stream.ts';
const progress = 'watch/hub/progress-requests.ts';
const waiters = 'watch/hub/position-waiters.ts';
const stream = 'watch/stream/shared-stream.ts';

const positions: readonly Mutation[] = [
  {
    what: 'the position advances before the last fragment',
    replacements: [
      {
        file: assembler,
        from: 'if (response.isFragment && this.#completeBytes < chunkBytesMax) return none;',
        to: '',
      },
      { file: assembler, from: 'if (!response.isFragment) {', to: 'if (true) {' },
    ],
  },
  mutation(
    'events below the position are not dropped after a feed has resumed',
    assembler,
    'if (revision > this.position) {',
    'if (true) {',
  ),
  mutation('fragments before a loss are kept', feed, 'this.#assembler.restart();', ''),
  mutation(
    'a feed resumes one revision late',
    feed,
    'Math.max(1, this.position)',
    'this.position + 2',
  ),
  mutation(
    'a feed that etcd begins delivers events before its beginning',
    feed,
    'this.#assembler.startAfter(revision);',
    '',
  ),
  {
    what: 'a feed that has not begun has history for every watcher',
    replacements: [
      {
        file: feed,
        from: 'startRevision === 0 ? Number.POSITIVE_INFINITY : startRevision',
        to: 'startRevision',
      },
      { file: tenantHub, from: "if (feed.state === 'opening') {", to: 'if (false) {' },
    ],
  },
  mutation(
    'a progress response counts for a watch that etcd did not know yet',
    upstream,
    'return isCovered;',
    'return true;',
  ),
  mutation(
    'unordered progress moves the position',
    feed,
    'if (context.ordersProgress()) {',
    'if (true) {',
  ),
];

const joins: readonly Mutation[] = [
  mutation(
    'a fence is shared with a join that arrived after it began',
    'watch/hub/fence.ts',
    'for (const onFence of served)',
    'for (const onFence of [...served, ...this.#waiting.splice(0)])',
  ),
  mutation(
    'a watch that starts now skips a revision',
    tenantHub,
    'startRevision > 0 ? startRevision : point.revision + 1',
    'startRevision > 0 ? startRevision : point.revision + 2',
  ),
  mutation(
    'a private watch joins its feed one revision early',
    feed,
    'return watcher.next >= this.history.start;',
    'return watcher.next + 1 >= this.history.start;',
  ),
  mutation(
    'a private watch joins its feed one revision late',
    catchUp,
    'watcher.next = Math.max(watcher.next, this.#assembler.position + 1);',
    'watcher.next = Math.max(watcher.next, this.#assembler.position + 2);',
  ),
  {
    what: 'a feed may start after the current revision',
    replacements: [
      {
        file: tenantHub,
        from: 'watcher.next <= current ? watcher.next : 0',
        to: 'watcher.next',
      },
      {
        file: tenantHub,
        from: 'isPast ? watcher.next : 0',
        to: 'isNegative ? response.revision + 1 : watcher.next',
      },
      { file: tenantHub, from: 'isNear ? watcher.next : 0', to: 'watcher.next' },
    ],
  },
  mutation(
    'a feed with previous values is shared with watchers that did not ask for them',
    'watch/hub/feed-key.ts',
    '$' + "{prevKv ? 'p' : '-'}",
    '',
  ),
  mutation(
    'streams that require a leader share feeds with others',
    'watch/hub/hub.ts',
    "requiresLeader ? 'requiringLeader' : 'ordinary'",
    "'ordinary' as 'ordinary' | 'requiringLeader'",
  ),
  mutation(
    'tenants share feeds',
    'watch/hub/hub.ts',
    'const hubs = tenant.state.get(this.#part);',
    'const hubs = ((this as any).shared ??= { ordinary: null, requiringLeader: null });',
  ),
];

const rounds: readonly Mutation[] = [
  mutation(
    'a round does not check what a watcher needs next',
    view,
    'if (chunk.revision < watcher.next) continue;',
    '',
  ),
  mutation(
    'a round drops the events of a paused stream',
    view,
    `this.remove(watcher);
        detach(watcher, stats);
        return;`,
    `watcher.next = chunk.revision + 1;
        continue;`,
  ),
  mutation(
    'a paused watcher continues after the round that it missed',
    view,
    'watcher.next = Math.max(watcher.next, from);',
    'watcher.next = (chunks.at(-1) as Chunk).revision + 1;',
  ),
  {
    what: 'the history is trimmed before future watchers are served from it',
    replacements: [
      {
        file: feed,
        from: 'if (watcher.next <= to + 1) this.#promote(watcher);\n    this.history.trim();',
        to: 'if (watcher.next <= to + 1) this.#promote(watcher);',
      },
      {
        file: feed,
        from: '    // Before the history is trimmed',
        to: '    this.history.trim();\n    // Before the history is trimmed',
      },
    ],
  },
  mutation(
    'the history of a feed is not trimmed',
    history,
    'while (this.length > 0 && this.#isFull)',
    'while (false)',
  ),
  mutation(
    'the history of a tenant is not trimmed',
    share,
    'this.bytes > this.#limits.tenantBytesMax',
    'false',
  ),
  mutation(
    'the history of the process is not trimmed',
    share,
    'while (this.#isFull)',
    'while (false)',
  ),
  mutation(
    'a batch is evicted before it is delivered',
    history,
    'if (oldest.revision > this.#owner.rounded) {',
    'if (false) {',
  ),
  mutation(
    'a watcher that continues from the history skips what an excerpt does not have',
    feed,
    'watcher.next = to + 1;',
    'watcher.next = this.rounded + 1;',
  ),
  mutation(
    'filters are exchanged',
    view,
    'isDelete ? noDelete : noPut',
    'isDelete ? noPut : noDelete',
  ),
];

const progressMutations: readonly Mutation[] = [
  {
    what: 'progress does not wait for the feeds',
    replacements: [
      { file: waiters, from: 'if (this.hasReached(revision)) {', to: 'if (true) {' },
      { file: progress, from: '!feed.hasReached(point.revision)', to: 'false' },
    ],
  },
  mutation('progress may go back', progress, 'if (newest > point.revision) {', 'if (false) {'),
  mutation(
    'a progress notification overtakes the events before it',
    feed,
    'this.round();\n    this.notifyPosition();',
    'this.notifyPosition();',
  ),
  mutation(
    'every watcher receives progress notifications',
    view,
    '!watcher.spec.hasProgressNotify || ',
    '',
  ),
  mutation(
    'the ID of a watch that etcd has compacted is not released',
    upstream,
    'this.#sendCancel(watch.id);\n        this.#remove(watch);',
    'this.#remove(watch);',
  ),
];

const protocol: readonly Mutation[] = [
  mutation(
    'the floor is not checked',
    stream,
    'this.#tenant.state.floor.isAbove(create.startRevision)',
    'false',
  ),
  mutation('a watch ID may be used twice', stream, 'else if (isUsed) this', 'else if (false) this'),
  mutation(
    'a compaction releases the watch ID of the client',
    stream,
    'if (pending === null) {\n      this.#above',
    'if (pending === null) {\n      this.#ids.release(watchId.id);\n      this.#above',
  ),
  mutation(
    'a cancel is responded to before earlier creates',
    stream,
    "this.#respond({ kind: 'canceled', id });",
    "this.#above.deliver(builtMessage(writeResponse({ kind: 'canceled', id }, header)));",
  ),
  mutation(
    'a compaction replaces the response to the create',
    stream,
    "pending.response ??= writeResponse({ kind: 'created', id: watchId.id }, contentOf(header));",
    'pending.response = end;',
  ),
  mutation(
    'every watcher of a compacted feed is cancelled',
    tenantHub,
    'const isLost = watcher.next < response.compactRevision;',
    'const isLost = true;',
  ),
  mutation(
    'a stale token reaches the client',
    catchUp,
    'if (response.isStaleToken) this',
    'if (false) this',
  ),
];

const resources: readonly Mutation[] = [
  mutation(
    'a stream that ends while it is being started is not noticed',
    upstream,
    'this.#hooks.defer(() => {',
    '((work: () => void) => work())(() => {',
  ),
  mutation('a watcher that leaves is still counted by its feed', feed, 'this.watchers -= 1;', ''),
  mutation(
    'a watch that has ended counts as open until its stream ends',
    stream,
    'this.#ids.closed(watchId);',
    '',
  ),
  mutation(
    'the watches of a stream that has ended count as open',
    stream,
    'this.#ids.closeAll();',
    '',
  ),
  mutation(
    'streams without watches are kept',
    upstream,
    'if (this.#watches.size === 0) this.#hooks.onUnused();',
    '',
  ),
];

export const mutations: readonly Mutation[] = [
  ...positions,
  ...joins,
  ...rounds,
  ...progressMutations,
  ...protocol,
  ...resources,
];
