/**
 * The fenced blocks of the documents, and what their first line says about them:
 *
 *   ```sh                a test runs it, as written, with the other blocks of the document in one shell
 *   ```sh skip: reason   it is not run
 *   ```yaml FILE         it is written to FILE before the next block runs
 *
 * Blocks with another label, or none, contain no commands.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Block {
  readonly document: string;
  /** Of its first line of text. */
  readonly line: number;
  readonly language: string;
  /** The rest of the label, for example `skip: needs a cluster`. */
  readonly rest: string;
  readonly text: string;
}

/** Words that begin a command, for blocks that have no label. */
const programs =
  /^(?:\$ )?(?:sudo |[A-Z_]+=\S* )*(?:npm|npx|node|etcd|etcdctl|etcd-bulkhead|curl|kubectl|helm|docker|systemctl|apt|apt-get|dpkg|git|gh)\s/m;

export function blocksOf(document: string, text = readFileSync(document, 'utf8')): Block[] {
  const blocks: Block[] = [];
  let open: { readonly line: number; readonly label: string; readonly lines: string[] } | null =
    null;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^\s*```(.*)$/.exec(line);
    if (open === null) {
      if (fence !== null) open = { line: index + 2, label: fence[1] ?? '', lines: [] };
    } else if (fence === null) {
      open.lines.push(line);
    } else {
      const [, language = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(open.label) ?? [];
      blocks.push({
        document,
        line: open.line,
        language,
        rest,
        text: `${open.lines.join('\n')}\n`,
      });
      open = null;
    }
  }
  return blocks;
}

/** What the author of the block has to change. */
export function problemsOf(block: Block, scripts: Readonly<Record<string, string>>): string[] {
  const { document, line, language, rest, text } = block;
  const problems: string[] = [];
  const report = (what: string) => problems.push(`${document}:${line}: ${what}`);
  if (language === '' && programs.test(text)) {
    report('label the block "sh", so that it is tested, or "sh skip: REASON"');
  }
  if (['bash', 'shell', 'console'].includes(language)) report('label the block "sh"');
  if (language === 'sh' && rest !== '' && !/^skip: \S/.test(rest)) {
    report(`the label after "sh" must be "skip: REASON", not "${rest}"`);
  }
  if (language === 'sh') {
    for (const [, name = ''] of text.matchAll(/npm (?:run |test:?)([\w:-]*)/g)) {
      if (name !== '' && !Object.hasOwn(scripts, name))
        report(`package.json has no script ${name}`);
    }
  }
  return problems;
}

/** All documents of the repository, also those that are not committed yet. */
export function trackedDocuments(): readonly string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'];
  return execFileSync('git', args, { encoding: 'utf8' }).trim().split('\n');
}

export function isRun({ language, rest }: Block): boolean {
  return language === 'sh' && rest === '';
}

/** The file that a block is written to, or null. */
export function fileOf({ language, rest }: Block): string | null {
  return language === 'yaml' && /^[\w./-]+$/.test(rest) ? rest : null;
}
