/** Deliberate breaks of reads from memory. */
import { type Mutation, mutation } from './list.ts';

const read = 'cache/cached-read.ts';
const range = 'cache/range-cache.ts';
const load = 'cache/load.ts';
const layer = 'cache/cache.ts';
const memory = 'cache/cache-memory.ts';
const feed = 'watch/hub/feed.ts';

const linearizable: readonly Mutation[] = [
  mutation(
    'a read uses the fence of an earlier one',
    read,
    'this.#header = point.header;',
    `point = (cache as any).known ??= point;
    this.#header = point.header;`,
  ),
  mutation(
    'a read is served before the range has the revision of its fence',
    read,
    'cache.wait(this, point.revision);',
    'cache.wait(this, 0);',
  ),
  mutation(
    'an unordered progress response moves the position of a range',
    feed,
    '      context.clock.after(context.limits.progressGraceMs, () =>',
    `      this.#follower?.onPosition(revision);
      context.clock.after(context.limits.progressGraceMs, () =>`,
  ),
];

const pages: readonly Mutation[] = [
  mutation(
    'every page is read at the revision that is the current one then',
    load,
    '.varint(4, this.#revision)',
    '.varint(4, 0)',
  ),
  mutation(
    'changes that arrive while pages are read are lost',
    range,
    "else if (this.state === 'loading') this.#postpone({ revision, changes });",
    "else if (this.state === 'loading') this.#pendingBytes += 0;",
  ),
  mutation(
    'changes before the revision of the pages are applied to them',
    range,
    'if (revision > this.position) this.#apply(revision, changes);',
    'this.#apply(revision, changes);',
  ),
  {
    what: 'the pages may be older than what the feed had before',
    replacements: [
      {
        file: load,
        from: '.varint(4, this.#revision)',
        to: '.varint(4, this.#revision).bool(7, this.#revision === 0)',
      },
      { file: range, from: "if (revision < this.#sentPosition) this.close('failed');", to: '' },
      { file: range, from: 'else if (count * entry', to: 'if (count * entry' },
    ],
  },
  mutation(
    'a page that could not be read is the last one',
    load,
    'this.#owner.onLoadFailed();',
    'this.#owner.onLoaded();',
  ),
];

const state: readonly Mutation[] = [
  mutation(
    'deleted keys stay',
    'cache/change.ts',
    'entry: isDelete ? null : entry',
    'entry: isDelete && entry.key === "" ? null : entry',
  ),
  mutation(
    'a change does not end the responses that were built before it',
    range,
    `this.position = revision;
    this.#responses.clear();`,
    'this.position = revision;',
  ),
  mutation(
    'a response has the revision of the fence and the state of the range',
    'cache/kept-responses.ts',
    'isExact ? header : withRevision(header, revision)',
    'isExact ? header : header',
  ),
  mutation(
    'a range follows its feed on after the watch at etcd was lost',
    feed,
    `this.#upstream = null;
    this.#interruptFollower();
    if (this.state === 'closed') return;
    if (this.#host`,
    `this.#upstream = null;
    if (this.state === 'closed') return;
    if (this.#host`,
  ),
  mutation('a range is kept whose feed has ended', range, "this.close('interrupted');", ''),
  mutation(
    'keys with equal sort values are in the order of the keys',
    'cache/evaluate.ts',
    'if (!sort(selected, query)) return null;',
    'sort(selected, query);',
  ),
  mutation(
    'a limit comes after a sort target without an order',
    'cache/evaluate.ts',
    'query.sortOrder === SortOrder.NONE && !query.hasBound',
    'query.sortOrder > SortOrder.DESCEND',
  ),
  mutation(
    'reads of ranges beyond the watched one are served',
    'cache/tenant-caches.ts',
    'if (!containsRange(cache.found.feed.range, range)) continue;',
    '',
  ),
];

const connections: readonly Mutation[] = [
  mutation(
    'a serializable read does not wait for what its connection has seen',
    read,
    'cache.position >= seen.revision',
    'seen !== null',
  ),
  mutation(
    'what a connection sees in responses of etcd is not noted',
    layer,
    `this.#seen.note(message);
`,
    '',
  ),
  mutation(
    'what a connection sees in shared responses is not noted',
    layer,
    'this.#seen.note(head.length > 0 ? head : tail);',
    '',
  ),
  mutation(
    'clients with credentials of their own read from memory',
    layer,
    "if (!this.#options.isShared(call)) return 'credentials';",
    '',
  ),
];

const resources: readonly Mutation[] = [
  mutation(
    'a read waits for the position without a bound',
    read,
    'deadlines.add(this, Math.min(sentMs +',
    'deadlines.add(this, call.deadlineMs + Math.min(sentMs +',
  ),
  mutation(
    'a read whose client has left is served',
    read,
    'if (this.#isOver) return;\n    this.#leave();',
    'if (this.#isOver) return;',
  ),
  mutation(
    'a client with backpressure is served from memory',
    read,
    'if (this.#isPaused) {',
    'if (this.#isPaused && this.#isOver) {',
  ),
  mutation('a range that is closed stays counted', range, 'this.#count(0);', ''),
  mutation(
    'the bytes of a range are not bounded',
    memory,
    'if (range.bytes > rangeBytesMax) range.drop();',
    '',
  ),
  mutation(
    'the bytes of a tenant are not bounded',
    memory,
    'this.bytes > tenantBytesMax',
    'tenantBytesMax < 0',
  ),
  mutation(
    'the bytes of the process are not bounded',
    memory,
    'this.bytes > this.bounds.processBytesMax',
    'this.bounds.processBytesMax < 0',
  ),
];

export const cacheMutations: readonly Mutation[] = [
  ...linearizable,
  ...pages,
  ...state,
  ...connections,
  ...resources,
];
