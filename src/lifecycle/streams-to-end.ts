/**
 * Whose streams a reload ends: of tenants that were changed or removed, and of listeners that tell clients apart by other
 * rules. They are ended and never moved: what a stream carries belongs to the tenant that it began with.
 */
import type { Call } from '../call/call.ts';
import type { Directory } from '../tenant/directory.ts';

export function isOver(before: Directory, now: Directory): (call: Call) => boolean {
  return ({ tenant, peer: { listener } }) => {
    if (tenant === null || !now.has(tenant)) return true;
    return before.listener(listener)?.rules !== now.listener(listener)?.rules;
  };
}
