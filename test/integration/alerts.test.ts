/**
 * The alerts and the Grafana dashboard against the program: promtool tests the expressions, and the metrics and labels that they
 * use are those of a real process with load.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { hashPassword } from '../../src/identity/password.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { grpcClient, refusal } from '../support/client.ts';
import { logIn } from '../support/configured.ts';
import { startEtcd } from '../support/etcd.ts';
import { Program } from '../support/program.ts';
import { promtool, runPromtool } from '../support/promtool.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name: string) => readFileSync(path(name), 'utf8');

function fileIn({ path: folder }: TemporaryDirectory, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

interface RuleTest {
  readonly name: string;
  readonly input_series: readonly { readonly series: string }[];
  readonly alert_rule_test: readonly {
    readonly alertname: string;
    readonly exp_alerts?: unknown;
  }[];
}

const alertsFile = 'helm/etcd-bulkhead/files/alerts.yaml';
const testsFile = 'test/alerts/alerts.test.yaml';
const rules = (parse(read(alertsFile)) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const ruleTests = (parse(read(testsFile)) as { tests: RuleTest[] }).tests;

interface Panel {
  readonly id: number;
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(read('helm/etcd-bulkhead/files/dashboard.json')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly query: unknown }[] };
};
const panelQueries = dashboard.panels.flatMap(({ targets = [] }) =>
  targets.map(({ expr }) => expr),
);

/** Names of metrics in an expression: those of this program have one of these beginnings. */
function metricsIn(expression: string): readonly string[] {
  return expression.match(/\b(?:etcd_bulkhead|grpc_server|process|nodejs)_\w+/g) ?? [];
}

describe('each alert', () => {
  test('has a case in which it fires and one in which it does not', () => {
    const cases = (isFiring: boolean) =>
      new Set(
        ruleTests
          .flatMap((each) => each.alert_rule_test)
          .filter(({ exp_alerts }) => (exp_alerts !== undefined) === isFiring)
          .map(({ alertname }) => alertname),
      );
    const names = rules.map(({ alert }) => alert).sort();
    expect([...cases(true)].sort()).toEqual(names);
    expect([...cases(false)].sort()).toEqual(names);
  });

  test('has a section in the runbook, with meaning, check and action, and links to it', () => {
    const sections = read('docs/runbook.md').split(/^## /m).slice(1);
    expect(sections.map((section) => section.split('\n')[0])).toEqual(
      rules.map(({ alert }) => alert),
    );
    for (const section of sections) {
      for (const part of ['**Meaning.**', '**Check.**', '**Do.**']) expect(section).toContain(part);
    }
    for (const { alert, annotations, labels } of rules) {
      expect(annotations).toEqual({
        summary: expect.any(String),
        description: expect.any(String),
        runbook_url: `docs/runbook.md#${alert.toLowerCase()}`,
      });
      expect(['critical', 'warning', 'info']).toContain(labels.severity);
    }
  });
});

describe.skipIf(promtool === null)('promtool', () => {
  test('accepts the rules', () => {
    const { status, output } = runPromtool('check', 'rules', path(alertsFile));
    expect(status, output).toBe(0);
    expect(output).toContain(`${rules.length} rules found`);
  });

  test('finds that each alert fires when it should, and only then', () => {
    const { status, output } = runPromtool('test', 'rules', path(testsFile));
    expect(status, output).toBe(0);
  });

  test('accepts the queries of the dashboard', () => {
    // As recording rules, with a value for each variable.
    const recorded = panelQueries.map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr
        .replaceAll('$__rate_interval', '5m')
        .replaceAll(/\$(?:job|instance|tenant)/g, '.*'),
    }));
    using directory = new TemporaryDirectory('dashboard');
    const file = fileIn(
      directory,
      'rules.yaml',
      JSON.stringify({ groups: [{ name: 'a', rules: recorded }] }),
    );
    const { status, output } = runPromtool('check', 'rules', file);
    expect(status, output).toBe(0);
    expect(panelQueries.length).toBeGreaterThan(30);
  });
});

test('the panels of the dashboard have IDs of their own and do not overlap', () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

/** The metrics of a process, with the names of the labels of each. A histogram also has those of its parts. */
function labelsByMetric(pages: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const line of pages.flatMap((page) => page.split('\n'))) {
    const type = /^# TYPE (\S+) (\S+)/.exec(line);
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? /.exec(line);
    const name = type?.[1] ?? sample?.[1];
    if (name === undefined || (type === null && line.startsWith('#'))) continue;
    const labels = found.get(name) ?? new Set<string>();
    found.set(name, labels);
    for (const [, label = ''] of (sample?.[2] ?? '').matchAll(/(\w+)="/g)) labels.add(label);
  }
  return found;
}

/** A process alone with every kind of load, and one with workers. */
async function exported(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  await using etcd = await startEtcd();
  using directory = new TemporaryDirectory('alerts');
  using authority = new CertificateAuthority();
  const pair = authority.issue({ name: '/CN=localhost', alternativeNames: 'IP:127.0.0.2' });
  const users = fileIn(directory, 'users', `a:${await hashPassword(Buffer.from('pass'))}\n`);
  const config = {
    ...{ endpoints: [etcd.address], 'users-file': users, 'admin-actions': true },
    tenants: [{ name: 'a', namespace: 'a/', 'max-open-watches': 1, 'max-calls-per-second': 2 }],
    listeners: [
      { address: '127.0.0.1:0', identify: 'user' },
      {
        ...{ address: '127.0.0.2:0', tenant: 'a' },
        ...{ 'cert-file': pair.certificateFile, 'key-file': pair.keyFile },
      },
    ],
  };
  const file = fileIn(directory, 'config.yaml', JSON.stringify(config));
  using alone = new Program(['run', `--config=${file}`, '--admin-addr=127.0.0.1:0']);
  using workers = new Program([
    ...['run', `--endpoints=${etcd.address}`, '--listen-addr=127.0.0.1:0', '--workers=2'],
    '--admin-addr=127.0.0.1:0',
  ]);
  const { admin, addresses } = await alone.serving();
  const { admin: adminOfWorkers } = await workers.serving();
  using client = grpcClient(addresses[0] ?? '');
  await refusal(logIn(client, 'a', 'wrong'));
  const token = await logIn(client, 'a', 'pass');
  const options = { metadata: { token } };
  using watch = client.stream('etcdserverpb.Watch/Watch', options);
  watch.send({ create_request: { key: Buffer.of(1) } });
  await watch.next();
  const put = () =>
    client.call('etcdserverpb.KV/Put', { key: Buffer.of(1), value: Buffer.of(1) }, options);
  await until('a refusal by the rate', async () => {
    return put().then(
      () => false,
      () => true,
    );
  });
  await fetch(`http://${admin}/breakers/a/write?state=open`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
  });
  await until('a rejection by the breaker', async () => {
    const { trailers } = await refusal(put());
    return trailers.get('etcd-bulkhead-reason')[0] === 'breaker-open';
  });
  const page = async (address: string | null) =>
    await (await fetch(`http://${address}/metrics`)).text();
  // Garbage is collected some time, at the latest because of these scrapes.
  await until('a garbage collection', async () =>
    (await page(admin)).includes('nodejs_gc_duration_seconds_sum{'),
  );
  return labelsByMetric(await Promise.all([page(admin), page(adminOfWorkers)]));
}

test('the program exports every metric of the alerts and of the dashboard, with their labels', async () => {
  const metrics = await exported();
  const variables = dashboard.templating.list.map(({ query }) => JSON.stringify(query));
  const expressions = [...rules.map(({ expr }) => expr), ...panelQueries, ...variables];
  const used = new Set(expressions.flatMap(metricsIn));
  expect(used.size).toBeGreaterThan(40);
  expect([...used].filter((name) => !metrics.has(name))).toEqual([]);

  // The series of the tests have the labels of the program, so the tests say something about the program.
  const ofScrape = ['job', 'instance'];
  for (const { name, input_series } of ruleTests) {
    for (const { series } of input_series) {
      const metric = series.slice(0, series.indexOf('{'));
      const labels = [...series.matchAll(/(\w+)="/g)].map(([, label = '']) => label);
      const unknown = labels.filter(
        (label) => !ofScrape.includes(label) && metrics.get(metric)?.has(label) !== true,
      );
      expect(unknown, `${name}: ${series}`).toEqual([]);
    }
  }
});
