/**
 * `node scripts/release-notes.ts v1.2.3` prints the section of CHANGELOG.md for a tag. It fails if the tag, package.json, the
 * chart and the changelog do not name the same version.
 */
import { readFileSync } from 'node:fs';

/** What names the version. */
export interface VersionSources {
  readonly tag: string;
  /** package.json. */
  readonly manifest: string;
  /** Chart.yaml. */
  readonly chart: string;
  /** CHANGELOG.md. */
  readonly changelog: string;
}

/** Throws an error that names the first source with another version. */
export function releaseNotes({ tag, manifest, chart, changelog }: VersionSources): string {
  const version = tag.replace(/^v/, '');
  const others = {
    'package.json': (JSON.parse(manifest) as { version: string }).version,
    'version of Chart.yaml': /^version: (.+)$/m.exec(chart)?.[1],
    'appVersion of Chart.yaml': /^appVersion: (.+)$/m.exec(chart)?.[1],
  };
  for (const [source, other] of Object.entries(others)) {
    if (other !== version) throw new Error(`the tag is ${tag}, but ${source} has ${other}`);
  }
  const section = changelog.split(/^(?=## )/m).find((each) => each.startsWith(`## [${version}]`));
  const notes = section?.slice(section.indexOf('\n')).trim() ?? '';
  if (notes === '') throw new Error(`CHANGELOG.md has no section ${version}`);
  return notes;
}

if (import.meta.main) {
  const read = (path: string) => readFileSync(path, 'utf8');
  const sources = {
    tag: process.argv[2] ?? '',
    manifest: read('package.json'),
    chart: read('helm/etcd-bulkhead/Chart.yaml'),
    changelog: read('CHANGELOG.md'),
  };
  console.log(releaseNotes(sources));
}
