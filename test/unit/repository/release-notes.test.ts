/** The notes of a release, and that all files of this repository have the same version. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { releaseNotes } from '../../../scripts/release-notes.ts';

const sources = {
  tag: 'v1.2.3',
  manifest: '{"version": "1.2.3"}',
  chart: 'version: 1.2.3\nappVersion: 1.2.3\n',
  changelog:
    '# Changelog\n\n## [Unreleased]\n- next\n\n## [1.2.3] - 2020-01-01\n### Added\n- this\n\n## [1.2.2]\n- last\n',
};

test('the notes are the section of the version', () => {
  expect(releaseNotes(sources)).toBe('### Added\n- this');
});

test.each([
  ['another tag', { tag: 'v1.2.4' }, 'package.json has 1.2.3'],
  ['another package', { manifest: '{"version": "1.2.4"}' }, 'package.json has 1.2.4'],
  ['another chart', { chart: 'version: 1.2.4\nappVersion: 1.2.3\n' }, 'version of Chart.yaml'],
  ['another program in the chart', { chart: 'version: 1.2.3\n' }, 'appVersion of Chart.yaml'],
  ['no section', { changelog: '## [Unreleased]\n' }, 'no section 1.2.3'],
])('%s is an error', (_, difference, message) => {
  expect(() => releaseNotes({ ...sources, ...difference })).toThrow(message);
});

test('package.json, the chart and the changelog of the repository have the same version', () => {
  const read = (path: string) => readFileSync(path, 'utf8');
  const manifest = read('package.json');
  const chart = read('helm/etcd-bulkhead/Chart.yaml');
  const { version } = JSON.parse(manifest) as { version: string };
  const changelog = read('CHANGELOG.md');
  expect(releaseNotes({ tag: `v${version}`, manifest, chart, changelog })).not.toBe('');
});
