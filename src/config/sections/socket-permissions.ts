/**
 * The permissions of the files of Unix sockets: `socket-mode` and `socket-group`. The file belongs to the user of the process,
 * because only root could give it to another one. A group is a number or a name in /etc/group; other sources of groups, such as
 * LDAP, have numbers only.
 */
import { readFileSync } from 'node:fs';
import type { SocketPermissions } from '../../grpc/transport.ts';
import type { ProblemReporter } from '../problem.ts';

export interface PermissionTexts {
  readonly 'socket-mode': string;
  /** Empty: the group of the process. */
  readonly 'socket-group': string;
}

/** Reports texts that are not valid, and returns the default in their place. */
export function readSocketPermissions(
  { 'socket-mode': mode, 'socket-group': group }: PermissionTexts,
  report: ProblemReporter,
  readGroups: () => string = () => readFileSync(groupFile, 'utf8'),
): SocketPermissions {
  const isMode = /^0?[0-7]{3}$/.test(mode);
  if (!isMode) report('socket-mode', `must be an octal number such as 0660, not "${mode}"`);
  const gid = group === '' ? null : groupId(group, readGroups);
  if (gid === undefined) {
    report('socket-group', `must be a number, or a group in ${groupFile}, not "${group}"`);
  }
  return { mode: isMode ? Number.parseInt(mode, 8) : defaultMode, gid: gid ?? null };
}

const groupFile = '/etc/group';
const defaultMode = 0o660;
/** The number after it has a special meaning for the system. */
const gidMax = 4_294_967_294;

function groupId(text: string, readGroups: () => string): number | undefined {
  if (/^\d{1,10}$/.test(text)) return Number(text) <= gidMax ? Number(text) : undefined;
  try {
    for (const line of readGroups().split('\n')) {
      const [name, , id = ''] = line.split(':');
      if (name === text && /^\d+$/.test(id)) return Number(id);
    }
  } catch {
    // The file cannot be read, so no name is known.
  }
  return undefined;
}
