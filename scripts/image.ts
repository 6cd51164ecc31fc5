/**
 * The release recipe of the image (docs/image.md):
 *
 *   npm run image:pin                    writes the current digests of both base images to docker-bake.digests.json
 *   npm run image:release -- REPOSITORY  builds and pushes the version of package.json, from the pinned base images
 *
 * It runs `docker buildx`, and needs nothing else. A release without digests, or of a tree with changes, is refused.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const digestsFile = 'docker-bake.digests.json';
const names = ['BUILD', 'RUNTIME'] as const;
const digestForm = /^sha256:[0-9a-f]{64}$/;

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
}

interface Digests {
  readonly variable: Readonly<Record<string, { readonly default: string }>>;
}

/** The tag of a base image, from docker-bake.hcl. */
function imageOf(name: (typeof names)[number]): string {
  const recipe = readFileSync('docker-bake.hcl', 'utf8');
  const image = new RegExp(`variable "${name}_IMAGE" \\{\\s*default = "([^"]+)"`).exec(recipe)?.[1];
  if (image === undefined) throw new Error(`docker-bake.hcl has no ${name}_IMAGE`);
  return image;
}

/** The digests are those of the index, which is the same for all architectures. */
function pin(): void {
  const variable: Record<string, { default: string }> = {};
  for (const name of names) {
    const image = imageOf(name);
    const format = '{{json .Manifest.Digest}}';
    const digest = run('docker', ['buildx', 'imagetools', 'inspect', image, '--format', format]);
    const text = digest.replaceAll('"', '');
    if (!digestForm.test(text)) throw new Error(`${image}: not a digest: ${digest}`);
    variable[`${name}_DIGEST`] = { default: text };
    process.stdout.write(`${image}@${text}\n`);
  }
  const lines = Object.entries(variable).map(
    ([name, value]) => `    "${name}": { "default": "${value.default}" }`,
  );
  writeFileSync(digestsFile, `{\n  "variable": {\n${lines.join(',\n')}\n  }\n}\n`);
}

function release(repository: string): void {
  const { variable } = JSON.parse(readFileSync(digestsFile, 'utf8')) as Digests;
  for (const name of names) {
    const digest = variable[`${name}_DIGEST`]?.default ?? '';
    if (!digestForm.test(digest)) throw new Error(`${digestsFile}: no digest: npm run image:pin`);
  }
  if (run('git', ['status', '--porcelain']) !== '') throw new Error('the work tree has changes');
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const environment = {
    REPOSITORY: repository,
    VERSION: version,
    REVISION: run('git', ['rev-parse', 'HEAD']),
    SOURCE_DATE_EPOCH: run('git', ['log', '-1', '--format=%ct']),
  };
  const files = ['--file', 'docker-bake.hcl', '--file', digestsFile];
  execFileSync('docker', ['buildx', 'bake', ...files, 'release'], {
    ...{ env: { ...process.env, ...environment }, stdio: 'inherit' },
  });
}

const [command, repository = ''] = process.argv.slice(2);
try {
  if (command === 'pin') pin();
  else if (command === 'release' && repository !== '') release(repository);
  else throw new Error('usage: image.ts pin | release REPOSITORY');
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
