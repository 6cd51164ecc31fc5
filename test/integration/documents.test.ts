/**
 * Runs the commands of the documents: the `sh` blocks of each document in one shell, from top to bottom, in an empty folder. The
 * program is the source of this repository, behind it is a real etcd. Addresses are those that readers use, so they are
 * replaced by free ones:
 *
 *   127.0.0.1:2379, 127.0.0.1:2381     the proxy: clients and admin, also as localhost
 *   127.0.0.1:23790                    a second address of the proxy, as of `grpc-proxy start`
 *   127.0.0.1:12379, etcd-1:2379 …     the cluster, also as etcd-1.example; lists of members become one member
 *   /etc/etcd-bulkhead/, /run/etcd-bulkhead/    folders in the empty folder
 *
 * The files that examples name exist: ca.pem, client.pem, client-key.pem, server.pem, server-key.pem, and in
 * /etc/etcd-bulkhead also password, users and jwks.json. `etcdctl` and `curl` wait until a proxy that was started with `&` serves.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.ts';
import { type Block, blocksOf, fileOf, isRun, trackedDocuments } from '../support/documents.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { Issuer } from '../support/jwt.ts';
import { freePorts } from '../support/ports.ts';
import { runGroup } from '../support/process-group.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** A hash of a password that no one needs. */
const hash = '$2y$10$eImiTXuWVxfM37uY4JANjQ.HQ0bG0FJ0PQX3hYgQ9mLr2qkq0dGdK';
const documentWithinMs = 60_000;

const documents = trackedDocuments().filter((document) => blocksOf(document).some(isRun));
const authority = new CertificateAuthority();
const pairs = {
  client: authority.issue({ name: '/O=games' }),
  server: authority.issue({ name: '/O=etcd', alternativeNames: 'DNS:localhost,IP:127.0.0.1' }),
};
let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

interface Addresses {
  readonly proxy: string;
  readonly admin: string;
  readonly second: string;
  readonly folder: string;
}

const member = String.raw`(?:https?://)?(?:etcd-\d(?:\.example)?:2379|127\.0\.0\.1:12379)`;
const members = new RegExp(`${member}(?:, ?${member})*`, 'g');

function replaced(text: string, { proxy, admin, second, folder }: Addresses): string {
  return text
    .replace(members, `http://${etcd.address}`)
    .replace(/(?:127\.0\.0\.1|localhost):2379\b/g, proxy)
    .replace(/(?:127\.0\.0\.1|localhost):2381\b/g, admin)
    .replace(/(?:127\.0\.0\.1|localhost):23790\b/g, second)
    .replace(/\/(etc|run)\/etcd-bulkhead\//g, `${folder}/$1/`);
}

function prepare({ proxy, admin, folder }: Addresses): void {
  const put = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content, { mode });
  };
  mkdirSync(join(folder, 'run'));
  put('etc/password', 'secret');
  put('etc/users', `lobby:${hash}\n`);
  new Issuer().writeKeys(join(folder, 'etc/jwks.json'));
  for (const [name, pair] of Object.entries(pairs)) {
    copyFileSync(pair.certificateFile, join(folder, `${name}.pem`));
    copyFileSync(pair.keyFile, join(folder, `${name}-key.pem`));
  }
  copyFileSync(authority.certificateFile, join(folder, 'ca.pem'));
  // The first command after the start of a proxy waits until it serves.
  const wait = `if [ -e '${folder}/started' ]; then
  rm '${folder}/started'
  for _ in {1..200}; do (exec 3<>'/dev/tcp/${admin.replace(':', '/')}') 2>/dev/null && break; sleep 0.1; done
fi`;
  put(
    'bin/etcd-bulkhead',
    `#!/bin/bash
case "\${1-}" in run|grpc-proxy|dev|--*|'') ;; *) ${wait} ;; esac
case "$*" in *--config*|*--listen-addr*) ;; *) export ETCD_BULKHEAD_LISTEN_ADDR=${proxy} ;; esac
case "$*" in *--admin-addr*) ;; *) export ETCD_BULKHEAD_ADMIN_ADDR=${admin} ;; esac
exec '${process.execPath}' '${main}' "$@"
`,
    0o755,
  );
  for (const name of ['etcdctl', 'curl']) {
    put(
      `bin/${name}`,
      `#!/bin/bash
PATH=\${PATH#*:}
${wait}
export ETCDCTL_API=3
case "${name} $*" in etcdctl*--endpoints*) ;; *) export ETCDCTL_ENDPOINTS=${proxy} ;; esac
exec ${name} "$@"
`,
      0o755,
    );
  }
}

const starts = /^etcd-bulkhead (?:run|grpc-proxy|dev)\b/gm;

function scriptOf(blocks: readonly Block[], addresses: Addresses): string {
  const parts = blocks.map((block) => {
    const text = replaced(block.text, addresses);
    const file = fileOf(block);
    const position = `: ${block.document}:${block.line}\n`;
    if (file === null) {
      const started = text.replace(starts, 'touch "$HOME/started"\n$&');
      return `${position}${started}`;
    }
    const path = replaced(file, addresses);
    return `${position}cat > '${path}' <<'END_OF_FILE'\n${text}END_OF_FILE\n`;
  });
  return `set -eux -o pipefail\n${parts.join('\n')}`;
}

test.each(documents)('the commands of %s succeed', async (document) => {
  using directory = new TemporaryDirectory('documents');
  const [proxy, admin, second] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
  const addresses = { proxy, admin, second, folder: directory.path } as Addresses;
  prepare(addresses);
  const blocks = blocksOf(document).filter((block) => isRun(block) || fileOf(block) !== null);
  const env = {
    PATH: `${join(directory.path, 'bin')}:${process.env['PATH']}`,
    HOME: directory.path,
  };
  const options = { cwd: directory.path, env, withinMs: documentWithinMs };
  const { code, printed } = await runGroup('bash', ['-c', scriptOf(blocks, addresses)], options);
  expect(code, printed).toBe(0);
});
