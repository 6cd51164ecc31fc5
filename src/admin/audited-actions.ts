/** Writes the actions of the admin address to the audit log. */
import type { AuditLog } from '../observe/audit-log.ts';
import type { AdminActions } from './server.ts';

export function auditedActions(audit: AuditLog): Pick<AdminActions, 'onPerformed' | 'onRefused'> {
  const from = (remote: string) => (remote === '' ? {} : { remote });
  return {
    onPerformed: (action, remote) =>
      audit.write('admin action', 'done', () => ({ ...action, ...from(remote) })),
    onRefused: (reason, remote) =>
      audit.write('admin action', 'refused', () => ({ reason, ...from(remote) })),
  };
}
