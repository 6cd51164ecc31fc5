/** The permissions of Unix sockets: of all of them, of single listeners, and texts that are not valid. */
import { expect, test } from 'vitest';
import { readSocketPermissions } from '../../../src/config/sections/socket-permissions.ts';
import { loadedConfig, problemsOf } from '../../support/loaded-config.ts';

const tenant = 'tenants: [{ name: a, namespace: a/ }]';

test('a socket has 0660 and the group of the process by default', async () => {
  const { listeners } = await loadedConfig('listen-addr: unix:///s');
  expect(listeners[0]?.address).toEqual({ path: '/s', permissions: { mode: 0o660, gid: null } });
});

test('a listener replaces the settings one by one, and prints what it replaces', async () => {
  const { listeners, effective } = await loadedConfig(
    ...['socket-mode: 0600', 'socket-group: 7', tenant, 'listeners:'],
    "  - { address: 'unix:///a', tenant: a }",
    "  - { address: 'unix:///b', tenant: a, socket-mode: 0666 }",
    "  - { address: 'unix:///c', tenant: a, socket-group: 8 }",
    "  - { address: ':1', tenant: a }",
  );
  expect(listeners.map(({ address }) => address)).toEqual([
    { path: '/a', permissions: { mode: 0o600, gid: 7 } },
    { path: '/b', permissions: { mode: 0o666, gid: 7 } },
    { path: '/c', permissions: { mode: 0o600, gid: 8 } },
    { host: '::', port: 1 },
  ]);
  expect(effective.find(({ name }) => name === 'listeners')?.value).toEqual([
    { address: 'unix:///a', tenant: 'a' },
    { address: 'unix:///b', tenant: 'a', 'socket-mode': '0666' },
    { address: 'unix:///c', tenant: 'a', 'socket-group': '8' },
    { address: ':1', tenant: 'a' },
  ]);
});

test('texts that are not valid, and keys of an address without a file, are problems', async () => {
  expect(await problemsOf('listen-addr: unix:///s', 'socket-mode: 0680')).toEqual([
    expect.stringContaining('must be an octal number such as 0660, not "0680"'),
  ]);
  expect(
    await problemsOf(
      tenant,
      "listeners: [{ address: ':1', tenant: a, socket-mode: 0600 }, { address: 'unix:///s', tenant: a, socket-group: no such group }]",
    ),
  ).toEqual([
    expect.stringContaining('"socket-mode" applies only to an address such as unix:///path'),
    expect.stringContaining('"socket-group" must be a number, or a group in /etc/group'),
  ]);
});

test('a group is a number, or a name of the list of groups', () => {
  const groups = 'root:x:0:\ngames:x:60:lobby,match\nbroken\nempty:x::\n';
  const problems: string[] = [];
  const gid = (text: string, read = () => groups) =>
    readSocketPermissions(
      { 'socket-mode': '600', 'socket-group': text },
      (_, what) => problems.push(what),
      read,
    ).gid;
  expect(['games', 'root', '61', ''].map((text) => gid(text))).toEqual([60, 0, 61, null]);
  expect(problems).toEqual([]);
  for (const text of ['game', 'broken', 'empty', '4294967295', '-1', 'games:x']) gid(text);
  gid('games', () => {
    throw new Error('no file');
  });
  expect(problems).toHaveLength(7);
});
