/** --help, made of the schema and of the list of commands: nothing is said here that is not true there. */
import { type Section, type SettingName, settingOf } from '../config/schema.ts';
import type { Command } from './command.ts';

const headings: readonly (readonly [Section, string])[] = [
  ['etcd', 'Towards etcd'],
  ['clients', 'Towards clients'],
  ['namespace', 'Namespace'],
  ['resilience', 'When etcd is slow or gone'],
  ['shutdown', 'When the proxy goes away'],
  ['operation', 'Operation'],
];

export function commandList(commands: readonly Command[]): string {
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`);
  return [
    'etcd-bulkhead: a sidecar proxy for etcd that gives each tenant a namespace of its own',
    '',
    'Usage: etcd-bulkhead [command] [flags]',
    '',
    'Commands:',
    ...rows,
    '',
    '`etcd-bulkhead <command> --help` lists the flags of a command.',
    '',
  ].join('\n');
}

export function commandHelp(
  { name, summary }: Pick<Command, 'name' | 'summary'>,
  settings: readonly SettingName[],
  defaults: Defaults = {},
): string {
  const lines = [`etcd-bulkhead ${name}: ${summary}`, ''];
  for (const [section, heading] of headings) {
    const rows = settings.filter((setting) => settingOf(setting).section === section);
    if (rows.length === 0) continue;
    lines.push(`${heading}:`, ...rows.flatMap((row) => settingLines(row, defaults[row])), '');
  }
  lines.push(
    'Every flag can also be set as ETCD_BULKHEAD_… in the environment (--listen-addr is',
    'ETCD_BULKHEAD_LISTEN_ADDR), and under its own name in the file that --config names.',
    'A flag beats the environment, the environment beats the file.',
    '',
  );
  return lines.join('\n');
}

/** Where a command has another default than the schema says. */
type Defaults = Partial<Record<SettingName, string>>;

function settingLines(name: SettingName, ownDefault: string | undefined): readonly string[] {
  const setting = settingOf(name);
  const fallback = ownDefault ?? setting.default;
  const value = setting.kind === 'boolean' ? '' : ` ${setting.choices?.join('|') ?? setting.kind}`;
  const remark = ['', 'false'].includes(fallback) ? '' : ` (default ${fallback})`;
  return [`  --${name}${value}`, `      ${setting.doc}${remark}`];
}
