/** docs/faults.md, rendered from the results. */
import { faults } from './faults/all.ts';
import { type PathName, pathNames } from './path.ts';
import type { CellRecord, Results } from './results.ts';

/** The page begins with it. */
const head = `# Faults: what clients notice of them

\`npm run faults\` runs one fault after the other against a real cluster of three members, on three paths: through the proxy,
through \`etcd grpc-proxy --namespace\`, and directly. It writes this page. Do not edit it.

\`\`\`sh skip: takes an hour
npm run faults                                                       # everything; takes about an hour
npm run faults -- --only 'kill leader' --path proxy --seconds 10     # one cell; --save adds it to this page
\`\`\`

Every cell has a new cluster, and between the members and the clients, or the proxy, a TCP link that can fail
([fault-link.ts](../test/faults/fault-link.ts)). The load is small, so that what clients notice is the fault: four writers and
four readers of five registers (puts, swaps and transactions of two registers, each value unique), six watches, three holders of
leases (15 s), three clients that compete for a lock. Calls have a deadline of 3 s and are not repeated. Clients balance over
the addresses that they have, redial within a second and ping every 10 s. A cell lasts a few seconds longer than its fault.

## What is checked

| check | violated if |
| --- | --- |
| writes | an acknowledged write is not in the history of the store, or not at the revision of its response; any write is in it twice |
| watches | a watch misses an event, repeats one, or has one in another order than the store |
| leases | a lease expires although its holder renews it, or its holder is notified of an expiration that did not happen |
| locks | two clients may rely on the same lock at the same time; an increment of a counter under the lock is lost |
| registers | the operations on a register are not linearizable ([linearizability.ts](../test/faults/checks/linearizability.ts)) |
| process | the proxy reports a fault or a violation of a namespace in its log |

A call without a successful response may have taken effect once or not at all, at any time after it was sent.

etcd before 3.4.29 and 3.5.11 may revoke leases with a leader that was replaced while it was paused
([etcd#15247](https://github.com/etcd-io/etcd/issues/15247)), and two clients then rely on the same lock. With 3.4.23 and "pause
leader 5 s" this happened directly in 2 of 5 runs and through the proxy in 1 of 2; with 3.7.3 in none of 3 runs of each.
Such a cell is listed, and does not fail the run.

## Results

The columns with times have the longest wait of any client, in seconds: for a successful put or transaction, a successful read, an
event after the response to its write, a renewal, a lock. Waits of 3 s and more include calls that ended with their deadline
and were made again. Single figures depend on which clients are connected to the member that fails. \`etcd grpc-proxy\`
renews leases at intervals of its own, a third of the TTL, so a renewal through it may take 3.5 s without any fault.
`;

/** Of the comparison between paths. Below it, clients and members are busy in another way. */
const marginMs = 1_000;
const columns = ['puts', 'gets', 'watches', 'keepalives', 'locks'] as const;

function errorsText({ errors }: CellRecord): string {
  const byCall = new Map<string, string[]>();
  for (const [name, count] of Object.entries(errors)) {
    const [call = '', ...code] = name.split(' ');
    byCall.set(call, [...(byCall.get(call) ?? []), `${code.join(' ')} ${count}`]);
  }
  return [...byCall].map(([call, codes]) => `${call}: ${codes.join(', ')}`).join('; ');
}

const seconds = (ms: number) => (ms / 1_000).toFixed(1);

function row(cell: CellRecord): string {
  const { fault, path, longest, violations, writes, acknowledged } = cell;
  const times = columns.map((column) => (longest === null ? '' : seconds(longest[column])));
  const verdict = violations.length === 0 ? 'passed' : '**violated**';
  const written = `${acknowledged} of ${writes}`;
  return `| ${[fault, path, verdict, ...times, written, errorsText(cell)].join(' | ')} |`;
}

function table(cells: readonly CellRecord[]): string {
  const names = ['fault', 'path', 'checks', ...columns, 'writes acknowledged', 'errors'];
  const lines = [`| ${names.join(' | ')} |`, `|${' --- |'.repeat(names.length)}`];
  return [...lines, ...cells.map(row)].join('\n');
}

function violations(cells: readonly CellRecord[]): string {
  const lines = cells.flatMap(({ fault, path, violations: found, causedByEtcd }) => {
    const why = causedByEtcd === undefined ? '' : `. ${causedByEtcd}`;
    return found.map((text) => `* ${fault}, ${path}: \`${text.replaceAll('`', "'")}\`${why}`);
  });
  return lines.length === 0 ? '' : `\n## Violations\n\n${lines.join('\n')}\n`;
}

/** Waits through the proxy that are more than a second longer than on another path. */
function longer(cells: readonly CellRecord[]): string {
  const lines = cells
    .filter(({ path }) => path === 'proxy')
    .flatMap((cell) => {
      const others = cells.filter(({ fault, path }) => fault === cell.fault && path !== 'proxy');
      const texts = columns.flatMap((column) => {
        const waited = cell.longest?.[column] ?? 0;
        const exceeded = others.filter(
          ({ longest }) => longest !== null && waited > longest[column] + marginMs,
        );
        if (exceeded.length === 0) return [];
        const bounds = exceeded.map(({ path, longest }) => {
          return `${path} ${seconds(longest?.[column] ?? 0)}`;
        });
        return [`${column} ${seconds(waited)} (${bounds.join(', ')})`];
      });
      return texts.length === 0 ? [] : [`* ${cell.fault}: ${texts.join('; ')}`];
    });
  const intro = `Waits through the proxy that are more than ${marginMs / 1_000} s longer than on another path:`;
  return lines.length === 0 ? '' : `\n## Longer waits\n\n${intro}\n\n${lines.join('\n')}\n`;
}

/** Cells of the matrix that have no result yet. */
function missing(cells: readonly CellRecord[]): string {
  const has = (fault: string, path: PathName) =>
    cells.some((cell) => cell.fault === fault && cell.path === path);
  const lines = faults.flatMap(({ name, paths }) => {
    const without = paths.filter((path) => !has(name, path));
    return without.length === 0 ? [] : [`* ${name}: ${without.join(', ')}`];
  });
  return lines.length === 0 ? '' : `\n## Not run\n\n${lines.join('\n')}\n`;
}

/** Faults that cannot happen on every path. */
function impossible(): string {
  const lines = faults.flatMap(({ name, paths, elsewhere = '' }) => {
    const left = pathNames.filter((path) => !paths.includes(path));
    return left.length === 0 ? [] : [`* ${name}, ${left.join(' and ')}: ${elsewhere}`];
  });
  return lines.length === 0 ? '' : `\n## Left out\n\n${lines.join('\n')}\n`;
}

export function render({ environment, cells }: Results): string {
  const ordered = faults.flatMap(({ name }) =>
    pathNames.flatMap((path) => {
      return cells.find((cell) => cell.fault === name && cell.path === path) ?? [];
    }),
  );
  const commits = [...new Set(ordered.map(({ commit }) => commit))];
  const dates = [...new Set(ordered.map(({ date }) => date))].sort();
  const facts = Object.entries(environment).flatMap(([name, fact]) =>
    fact === null ? [] : [`${name} ${fact}`],
  );
  return [
    head,
    `Run on ${dates.join(' and ')}: ${facts.join(', ')}. Commits ${commits.join(', ')}.\n`,
    `${table(ordered)}\n${violations(ordered)}${longer(ordered)}${missing(ordered)}${impossible()}`,
  ].join('\n');
}
