/** The user and password with which the proxy authenticates to etcd. */
import { type ProblemReporter, readFile } from '../read-file.ts';
import type { Settings } from '../schema.ts';

export interface LoginConfig {
  readonly user: string;
  readonly password: string;
}

/** Null if neither --user nor --password-file is set. */
export function resolveLogin(settings: Settings, report: ProblemReporter): LoginConfig | null {
  const { user, 'password-file': path } = settings;
  if (user === '' && path === '') return null;
  if (path === '') report('user', 'needs --password-file as well');
  if (user === '') report('password-file', 'needs --user as well');
  const [password = ''] = readFile('password-file', path, report)?.toString().split(/\r?\n/) ?? [];
  if (path !== '' && password === '') report('password-file', 'its first line is empty');
  return { user, password };
}
