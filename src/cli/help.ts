/** Formats --help from the schema and the list of commands. */
import { type SettingName, settingOf } from '../config/schema.ts';
import type { Section } from '../config/setting.ts';
import type { Command } from './command.ts';

const headings: readonly (readonly [Section, string])[] = [
  ['etcd', 'Connection to etcd'],
  ['clients', 'Client connections and identities'],
  ['namespace', 'Namespace and access'],
  ['limits', 'Limits per tenant and per process'],
  ['resilience', 'Timeouts and circuit breakers'],
  ['shutdown', 'Shutdown'],
  ['operation', 'Configuration file, admin address and logs'],
];

const widthMax = 100;

export function commandList(commands: readonly Command[]): string {
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`);
  return [
    'etcd-bulkhead: a sidecar proxy for etcd that gives each tenant its own namespace',
    '',
    'Usage: etcd-bulkhead [command] [flags]',
    '',
    'Commands:',
    ...rows,
    '',
    'Run `etcd-bulkhead <command> --help` for the flags of a command.',
    '',
  ].join('\n');
}

export function commandHelp(
  { name, summary }: Pick<Command, 'name' | 'summary'>,
  settings: readonly SettingName[],
  defaults: Defaults = {},
): string {
  const lines = [
    `etcd-bulkhead ${name}: ${summary}`,
    '',
    `Usage: etcd-bulkhead ${name} [flags]`,
    '',
  ];
  for (const [section, heading] of headings) {
    const rows = settings.filter((setting) => settingOf(setting).section === section);
    if (rows.length === 0) continue;
    lines.push(`${heading}:`, ...rows.flatMap((row) => settingLines(row, defaults[row])), '');
  }
  lines.push(
    'Each flag can also be set by an environment variable (ETCD_BULKHEAD_LISTEN_ADDR for',
    '--listen-addr) or by a key of the same name in the file of --config. A flag overrides the',
    'environment, and the environment overrides the file.',
    '',
  );
  return lines.join('\n');
}

/** Defaults of a command that differ from the schema. */
type Defaults = Partial<Record<SettingName, string>>;

function settingLines(name: SettingName, ownDefault: string | undefined): readonly string[] {
  const setting = settingOf(name);
  const fallback = ownDefault ?? setting.default;
  const kind = setting.choices?.join('|') ?? setting.kind;
  const value = setting.kind === 'boolean' ? '' : setting.isSwitch ? `[=${kind}]` : ` ${kind}`;
  const words = setting.doc.split(' ');
  if (!['', 'false'].includes(fallback)) words.push(`(default ${fallback})`);
  return [`  --${name}${value}`, ...wrapped(words, '      ')];
}

/** Joins words into lines of at most `widthMax` characters. */
export function wrapped(words: readonly string[], indent: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && indent.length + line.length + 1 + word.length > widthMax) {
      lines.push(indent + line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return line === '' ? lines : [...lines, indent + line];
}
