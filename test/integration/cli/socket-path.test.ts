/** A file of another program at the path of a Unix listener: every part of the program that binds a path leaves it there. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { Program, runProgram } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('socket-path');
afterAll(() => directory[Symbol.dispose]());

const path = join(directory.path, 'notes');
const problem = `cannot listen on ${path}: it exists and is not a socket`;

beforeEach(() => writeFileSync(path, 'precious'));

test.each([
  ['a listener', [`--listen-addr=unix://${path}`, '--admin-addr=']],
  ['the admin address', ['--listen-addr=127.0.0.1:0', `--admin-addr=unix://${path}`]],
  ['a listener of workers', [`--listen-addr=unix://${path}`, '--admin-addr=', '--workers=2']],
  [
    'the admin address with workers',
    ['--listen-addr=127.0.0.1:0', `--admin-addr=unix://${path}`, '--workers=2'],
  ],
])('%s does not start and does not delete the file', async (_, args) => {
  const { code, out } = await runProgram(['--endpoints=127.0.0.1:1', ...args]);
  expect(code).toBe(1);
  expect(out).toContain(`"error":"${problem}"`);
  expect(readFileSync(path, 'utf8')).toBe('precious');
});

test.each([1, 2])('a reload with %d worker is rejected and does not delete it', async (workers) => {
  const file = join(directory.path, 'c.yaml');
  const write = (more: string) =>
    writeFileSync(
      file,
      `endpoints: ['127.0.0.1:1']
tenants: [{ name: a, namespace: a/ }]
listeners: [{ address: '127.0.0.1:0', tenant: a }${more}]`,
    );
  write('');
  using program = new Program([
    ...[
      `--config=${file}`,
      `--workers=${workers}`,
      '--admin-addr=127.0.0.1:0',
      '--drain-window=0s',
    ],
  ]);
  const { admin } = await program.serving();
  write(`, { address: 'unix://${path}', tenant: a }`);
  program.kill('SIGHUP');
  await program.printed('out', /reload failed/);
  const configz = await fetch(`http://${admin}/configz`);
  expect(await configz.json()).toMatchObject({ problems: [problem] });
  expect(readFileSync(path, 'utf8')).toBe('precious');
  program.kill('SIGTERM');
  expect(await program.ended).toEqual([0, null]);
});

test.each([1, 2])(
  'with %d worker, new permissions apply to new sockets, and to bound ones after a restart',
  async (workers) => {
    const file = join(directory.path, 'permissions.yaml');
    const [bound = '', added = ''] = ['bound', 'added'].map((name) => join(directory.path, name));
    const write = (mode: string, ...paths: string[]) =>
      writeFileSync(
        file,
        `endpoints: ['127.0.0.1:1']
socket-mode: ${mode}
tenants: [{ name: a, namespace: a/ }]
listeners: [${paths.map((each) => `{ address: 'unix://${each}', tenant: a }`).join()}]`,
      );
    const modeOf = (each: string) => (statSync(each).mode & 0o777).toString(8);
    write('0600', bound);
    using program = new Program([
      ...[`--config=${file}`, `--workers=${workers}`, '--admin-addr=127.0.0.1:0'],
      '--drain-window=0s',
    ]);
    const { admin } = await program.serving();
    write('0666', bound, added);
    program.kill('SIGHUP');
    await program.printed('out', /"event":"reloaded"/);
    const configz = await (await fetch(`http://${admin}/configz`)).json();
    expect([modeOf(bound), modeOf(added)]).toEqual(['600', '666']);
    expect(configz).toMatchObject({ needRestart: [`unix://${bound}`] });
    program.kill('SIGTERM');
    expect(await program.ended).toEqual([0, null]);
  },
);
