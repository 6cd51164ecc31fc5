/** `etcd-bulkhead version` and `etcd-bulkhead --version`. */
import { version as ownVersion } from '../observe/version.ts';
import { type Command, ExitCode } from './command.ts';

export const version: Command = {
  name: 'version',
  summary: 'print the version',
  async run({ output }) {
    output.out(`etcd-bulkhead ${ownVersion} (node ${process.version})\n`);
    return ExitCode.OK;
  },
};
