/** The user and password with which the proxy authenticates to etcd. */
import type { FileContents } from '../file-contents.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

export interface LoginConfig {
  readonly user: string;
  readonly password: string;
}

/** Null if neither --user nor --password-file is set. */
export function resolveLogin(
  settings: Settings,
  contents: FileContents,
  report: ProblemReporter,
): LoginConfig | null {
  const { user, 'password-file': path } = settings;
  if (user === '' && path === '') return null;
  if (path === '') report('user', 'requires --password-file');
  if (user === '') report('password-file', 'requires --user');
  const [password = ''] =
    contents.of('password-file', path, report)?.toString().split(/\r?\n/) ?? [];
  if (path !== '' && password === '')
    report('password-file', 'must contain the password in its first line');
  return { user, password };
}
