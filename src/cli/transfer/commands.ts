/** The commands that transfer keys. What they do is loaded when one of them runs, so that `run` does not pay for it. */
import type { Command } from '../command.ts';

const exportCommand: Command = {
  name: 'export',
  summary: 'write the keys of a namespace at one revision to a file',
  async run(invocation) {
    const { exportKeys } = await import('./export.ts');
    return exportKeys(exportCommand, invocation);
  },
};

const importCommand: Command = {
  name: 'import',
  summary: 'write the keys of an export file into a namespace',
  async run(invocation) {
    const { importKeys } = await import('./import.ts');
    return importKeys(importCommand, invocation);
  },
};

const mirrorCommand: Command = {
  name: 'mirror',
  summary: 'copy a namespace to another cluster or namespace, and follow its changes',
  async run(invocation) {
    const { mirror } = await import('./mirror/command.ts');
    return mirror(mirrorCommand, invocation);
  },
};

export const transferCommands: readonly Command[] = [
  ...[exportCommand, importCommand, mirrorCommand],
];
