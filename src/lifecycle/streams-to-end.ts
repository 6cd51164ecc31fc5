/**
 * The streams that a reload ends: those whose tenant was changed or removed, and those of listeners whose identification
 * rules have changed. Streams do not move to another tenant, because their keys belong to the tenant they began with.
 */
import type { Call } from '../call/call.ts';
import type { Directory } from '../tenant/directory.ts';

/** Returns the predicate for `OpenStreams.endWhere`. */
export function streamsToEnd(before: Directory, now: Directory): (call: Call) => boolean {
  return ({ tenant, peer: { listener } }) => {
    if (tenant === null || !now.has(tenant)) return true;
    return before.listener(listener)?.rules !== now.listener(listener)?.rules;
  };
}
