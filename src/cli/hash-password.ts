/**
 * `etcd-bulkhead hash-password`: hashes the first line of standard input for --users-file. It does not accept a password
 * as an argument, which every process on the machine could read.
 */
import { text } from 'node:stream/consumers';
import { hashPassword } from '../identity/password.ts';
import { type Command, ExitCode } from './command.ts';

export const hashPasswordCommand: Command = {
  name: 'hash-password',
  summary: 'hash a password from standard input for --users-file',
  async run({ args, output }) {
    if (args.length > 0) {
      output.out(
        'Usage: etcd-bulkhead hash-password < file\n\nPrints the hash for a line `user:hash` of --users-file.\n',
      );
      return args[0] === '--help' || args[0] === '-h' ? ExitCode.OK : ExitCode.USAGE;
    }
    const [password = ''] = (await text(process.stdin)).split(/\r?\n/);
    if (password === '') {
      output.err('etcd-bulkhead: no password on standard input\n');
      return ExitCode.USAGE;
    }
    if (password.includes('\0')) {
      output.err('etcd-bulkhead: the password must not contain NUL bytes\n');
      return ExitCode.USAGE;
    }
    output.out(`${await hashPassword(Buffer.from(password))}\n`);
    return ExitCode.OK;
  },
};
