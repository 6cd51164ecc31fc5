/** The guarantees that src/call/ gives in types: programs that break them do not compile. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../support/temporary-directory.ts';

const root = join(import.meta.dirname, '../..');

/** The errors of a type check, one a line. */
function typeErrors(project: string): string[] {
  const compiler = join(root, 'node_modules/.bin/tsc');
  const { stdout, stderr, error } = spawnSync(
    compiler,
    ['--noEmit', '--pretty', 'false', '-p', project],
    {
      encoding: 'utf8',
    },
  );
  if (error !== undefined) throw error;
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
}

describe('the type checker', () => {
  test('rejects messages of the wrong space and ownership, and wrong orders of layers', () => {
    expect(typeErrors(join(root, 'test/types'))).toEqual([]);
  }, 60_000);

  test('rejects src/pipeline.ts without its namespace, with two, and with watch below it', () => {
    const source = readFileSync(join(root, 'src/pipeline.ts'), 'utf8').replaceAll(
      "from './",
      `from '${join(root, 'src')}/`,
    );
    const watch = '.through(watch(parts.watch))';
    const namespace = '.through(namespace(parts.namespace))';
    const variants: Record<string, string> = {
      unchanged: source,
      missing: source.replace(namespace, ''),
      doubled: source.replace(namespace, namespace + namespace),
      swapped: source.replace(watch, '').replace(namespace, namespace + watch),
    };
    expect(new Set(Object.values(variants)).size).toBe(4);

    using directory = new TemporaryDirectory('types');
    for (const [name, text] of Object.entries(variants)) {
      writeFileSync(join(directory.path, `${name}.ts`), text);
    }
    writeFileSync(join(directory.path, 'package.json'), '{ "type": "module" }');
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] },
      include: ['*.ts', join(root, 'src/**/*.d.ts')],
    };
    writeFileSync(join(directory.path, 'tsconfig.json'), JSON.stringify(config));
    const errors = typeErrors(join(directory.path, 'tsconfig.json'));
    const rejected = Object.keys(variants).filter((name) =>
      errors.some((line) => line.includes(`${name}.ts(`) && line.includes('TS2345')),
    );
    expect(rejected).toEqual(['missing', 'doubled', 'swapped']);
    expect(errors.filter((line) => line.includes('unchanged.ts'))).toEqual([]);
  }, 60_000);
});
