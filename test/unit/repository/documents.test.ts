/** Every block with commands in the documents is tested or says why not. test/integration/documents.test.ts runs them. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { blocksOf, fileOf, isRun, problemsOf, trackedDocuments } from '../../support/documents.ts';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
test('every block of the documents is labelled, and names scripts that exist', () => {
  const problems = trackedDocuments().flatMap((document) =>
    blocksOf(document).flatMap((block) => problemsOf(block, scripts)),
  );
  expect(problems).toEqual([]);
});

describe('blocks', () => {
  const text = [
    ...['# A', '```sh', 'echo 1', 'echo 2', '```', '```sh skip: needs a cluster', 'helm x', '```'],
    ...['```yaml c.yaml', 'a: 1', '```', '```yaml', 'b: 1', '```', '```', 'etcd-bulkhead x', '```'],
    ...['```', 'a drawing', '```', '```sh later', 'npm run nothing', '```', '```bash', 'ls', '```'],
  ].join('\n');
  const blocks = blocksOf('a.md', text);

  test('have a line, a language and a text', () => {
    expect(blocks).toHaveLength(8);
    expect(blocks[0]).toEqual({
      ...{ document: 'a.md', line: 3, language: 'sh', rest: '', text: 'echo 1\necho 2\n' },
    });
    expect(blocks.filter(isRun)).toEqual([blocks[0]]);
    expect(blocks.map(fileOf)).toEqual([null, null, 'c.yaml', null, null, null, null, null]);
  });

  test('without a label or with another one are problems if they have commands', () => {
    expect(blocks.flatMap((block) => problemsOf(block, scripts))).toEqual([
      'a.md:16: label the block "sh", so that it is tested, or "sh skip: REASON"',
      'a.md:22: the label after "sh" must be "skip: REASON", not "later"',
      'a.md:22: package.json has no script nothing',
      'a.md:25: label the block "sh"',
    ]);
  });
});
