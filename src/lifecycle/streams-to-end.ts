/**
 * Selects the streams that a reload ends: those of tenants that were changed or removed, and those of listeners whose rules
 * of identification changed. A stream cannot move to another tenant, because its messages belong to the first one.
 */
import type { Call } from '../call/call.ts';
import type { Directory } from '../tenant/directory.ts';

export function streamsToEnd(before: Directory, now: Directory): (call: Call) => boolean {
  return ({ tenant, peer: { listener } }) => {
    if (tenant === null || !now.has(tenant)) return true;
    return before.listener(listener)?.rules !== now.listener(listener)?.rules;
  };
}
