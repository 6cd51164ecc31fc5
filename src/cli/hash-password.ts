/**
 * `etcd-bulkhead hash-password`: the first line of standard input as a hash for --users-file. Never from the command line,
 * where every process of the machine could read it.
 */
import { text } from 'node:stream/consumers';
import { hashPassword } from '../identity/password.ts';
import { type Command, ExitCode } from './command.ts';

export const hashPasswordCommand: Command = {
  name: 'hash-password',
  summary: 'hash the password on standard input, for --users-file',
  async run({ args, output }) {
    if (args.length > 0) {
      output.out('etcd-bulkhead hash-password < file\n\nWrites the hash for a line `user:hash`.\n');
      return args[0] === '--help' || args[0] === '-h' ? ExitCode.OK : ExitCode.USAGE;
    }
    const [password = ''] = (await text(process.stdin)).split(/\r?\n/);
    if (password === '') {
      output.err('etcd-bulkhead: there is no password on standard input\n');
      return ExitCode.USAGE;
    }
    output.out(`${await hashPassword(Buffer.from(password))}\n`);
    return ExitCode.OK;
  },
};
