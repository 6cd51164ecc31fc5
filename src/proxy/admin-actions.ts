/** Performs the actions of the admin address in this process. */
import type { Action, ActionResult } from '../admin/actions.ts';
import type { Breakers } from '../guard/breaker/breakers.ts';
import type { Directory } from '../tenant/directory.ts';
import type { Upstream } from '../upstream/upstream.ts';

export interface ActionParts {
  readonly directory: { readonly current: Directory };
  readonly breakers: Breakers;
  readonly upstream: Upstream;
}

const notFound: ActionResult = { outcome: 'not found', note: '' };
const lastEndpoint = 'no other endpoint is available: this one is used until another one is';

export function performAction(parts: ActionParts, action: Action): ActionResult {
  if (action.kind === 'breaker') {
    const tenant = parts.directory.current.byName(action.tenant);
    if (tenant === null) return notFound;
    const breaker = parts.breakers.of(tenant.state, action.breaker);
    if (breaker === null) return { outcome: 'disabled', note: 'breakers are disabled' };
    breaker.force(action.state === 'auto' ? null : action.state);
    return { outcome: 'done', note: '' };
  }
  const isFound = parts.upstream.forceEjection(action.endpoint, action.state === 'ejected');
  if (!isFound) return notFound;
  const isLast = action.state === 'ejected' && parts.upstream.isCandidate(action.endpoint);
  return { outcome: 'done', note: isLast ? lastEndpoint : '' };
}
