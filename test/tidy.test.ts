/**
 * Checks of the repository's text that the linter cannot make: every source file explains itself, the prose uses the
 * terms of docs/glossary.md, links lead to files, every test is run, and no path of the author's machine is left.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rendered } from '../scripts/docs.ts';
import { importCycles } from './support/imports.ts';
import { AvoidList, sourceText } from './support/prose.ts';

/** Findings of the avoid list that are still allowed. Each number may only go down. */
const docsMax = 0;
const stringsMax = 0;
const openingsMax = 0;
const commentsMax = 0;
/** Import cycles in src, type-only imports included. It may only go down, too. */
const cyclesMax = 0;

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && !path.endsWith('package-lock.json'));

const text = (path: string) => readFileSync(path, 'utf8');
const sources = tracked.filter((path) => path.startsWith('src/') && path.endsWith('.ts'));
const documents = tracked.filter(
  (path) =>
    (/^[A-Z]+\.md$/.test(path) || path === 'Dockerfile' || /^(docs|helm|proto)\//.test(path)) &&
    !/\.(?:png|json)$/.test(path),
);

describe('the text of the repository', () => {
  test('every source file opens with a paragraph that describes it', () => {
    const silent = sources.filter((path) => !/^(#!.*\n)?\/\*\*[\s\S]{40,}?\*\//.test(text(path)));
    expect(silent).toEqual([]);
  });

  test('no source file has more than 500 lines', () => {
    const long = sources.filter((path) => text(path).split('\n').length > 500);
    expect(long).toEqual([]);
  });

  test('no test is skipped or exclusive, and no work is left as a comment', () => {
    const marks =
      /\b(?:it|test|describe)\.(?:only|skip|todo)\b|\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/;
    const marked = tracked.filter(
      (p) => /^(src|test|bench|scripts)\//.test(p) && marks.test(text(p)),
    );
    expect(marked).toEqual([]);
  });

  test('no file contains a path of a machine or a download host', () => {
    const local =
      /\/(?:work|home|root)\/[.a-z]|registry\.npm[j]s|deb\.debian\.o[r]g|proxy\.golan[g]/;
    const telling = tracked.filter((p) => !/\.(png|ico)$/.test(p) && local.test(text(p)));
    expect(telling).toEqual([]);
  });

  test.each([...rendered()])('%s is generated from the current tables', (path, content) => {
    expect(text(path)).toBe(content);
  });

  test('every test file is part of a vitest project', () => {
    const projects =
      /^test\/(unit|property|fuzz|regression|simulation|conformance|integration|isolation|differential)\//;
    const orphans = tracked.filter(
      (p) => p.endsWith('.test.ts') && !projects.test(p) && p !== 'test/tidy.test.ts',
    );
    expect(orphans).toEqual([]);
  });
});

/** Every place where a phrase of the avoid list occurs, one line each. */
function findings(paths: readonly string[], prose: (path: string) => readonly string[]): string[] {
  return paths.flatMap((path) =>
    prose(path).flatMap((text) => avoid.findings(text).map((found) => `${path}: ${found}`)),
  );
}

function expectAtMost(found: readonly string[], max: number): void {
  expect(
    found.length,
    `${found.length} findings, ${max} allowed:\n${found.join('\n')}`,
  ).toBeLessThanOrEqual(max);
}

const avoid = new AvoidList(text('docs/glossary.md'));
/** Markers of headings and line comments would separate the words of a phrase. */
const withoutMarkers = (path: string) => text(path).replace(/^[ \t]*(?:#+|\/\/)[ \t]/gm, '');
const commentsOf = (path: string) => sourceText(text(path)).comments;
/** Literals without a space are identifiers, labels and wire values. */
const stringsOf = (path: string) =>
  sourceText(text(path))
    .literals.filter(({ text: literal, isSpecifier }) => !isSpecifier && literal.includes(' '))
    .map(({ text: literal }) => literal);

describe('the avoid list of docs/glossary.md', () => {
  test('is read from its table', () => {
    expect(avoid.size).toBeGreaterThan(50);
    expect(avoid.findings('Nobody knows whose word\nis no good; there is no other.')).toHaveLength(
      3,
    );
    expect(avoid.findings('Object.is, `who`, whole, an answer-count, stands for')).toEqual([]);
  });

  test('is applied to comments, strings and templates, and not to code', () => {
    const source = [
      "import { a } from './some path.ts';",
      "/** One\n * block. */ const quote = /['`/*]/; // a\n  // run of lines",
      `const b = a / 2 + \`x \${f({ y: 'in ner' })} z\`; // end`,
    ].join('\n');
    expect(sourceText(source)).toEqual({
      comments: ['One block.', 'a run of lines', 'end'],
      literals: [
        { text: './some path.ts', isSpecifier: true },
        { text: 'in ner', isSpecifier: false },
        { text: 'x … z', isSpecifier: false },
      ],
    });
  });

  test('is respected by the documentation', () => {
    expectAtMost(
      findings(documents, (path) => [withoutMarkers(path)]),
      docsMax,
    );
  });

  test('is respected by user-visible strings', () => {
    expectAtMost(findings(sources, stringsOf), stringsMax);
  });

  test('is respected by the opening paragraphs of source files', () => {
    expectAtMost(
      findings(sources, (path) => commentsOf(path).slice(0, 1)),
      openingsMax,
    );
  });

  test('is respected by comments', () => {
    expectAtMost(findings(sources, commentsOf), commentsMax);
  });
});

describe('the structure of the repository', () => {
  test('files of src have no import cycles, type-only imports included', () => {
    expectAtMost(importCycles(new Map(sources.map((path) => [path, text(path)]))), cyclesMax);
  });

  test('every step of the pipeline is the file of its name, in the folder that docs/life-of-a-request.md names', () => {
    const pipeline = text('src/pipeline.ts');
    const steps = [...pipeline.matchAll(/(?:\bfrom|\.through)\((\w+)\(/g)].map(([, step = '']) => {
      const imported = new RegExp(
        `^import \\{[^}]*\\b${step}\\b[^}]*\\} from '\\./([^']+)';$`,
        'm',
      );
      return [step, imported.exec(pipeline)?.[1]];
    });
    // The last step is passed in; its comment names the file.
    steps.push(['upstream', /upstream\/upstream\.ts/.exec(pipeline)?.[0]]);
    const rows = text('docs/life-of-a-request.md').matchAll(/^│ (\w+) +│ (\w+)\/ /gm);
    const documented = Array.from(rows, ([, step = '', folder]) => [step, `${folder}/${step}.ts`]);
    expect(documented.length).toBeGreaterThan(8);
    expect(steps).toEqual(documented.filter(([step]) => step !== 'listener'));
    expect(steps.filter(([, path]) => !existsSync(`src/${path}`))).toEqual([]);
  });

  test('every relative link of the documentation points to an existing file', () => {
    const broken = documents
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...text(path).matchAll(/\]\(([^)\s]+)\)/g)]
          .map(([, target = '']) => target)
          .filter((target) => !/^(?:[a-z]+:|#)/.test(target))
          .filter((target) => !existsSync(join(dirname(path), target.replace(/#.*$/, ''))))
          .map((target) => `${path}: ${target}`),
      );
    expect(broken).toEqual([]);
  });
});
