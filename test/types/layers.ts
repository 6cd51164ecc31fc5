/**
 * Orders of layers that must not compile. Each `@ts-expect-error` is itself an error if the line below it compiles.
 */
import type { Etcd, Layer } from '../../src/call/call.ts';
import { guard } from '../../src/guard/guard.ts';
import type { GuardParts } from '../../src/guard/guard-parts.ts';
import { type IdentifyOptions, identify } from '../../src/identity/identify.ts';
import type { NamespaceOptions } from '../../src/namespace/handler.ts';
import { namespace } from '../../src/namespace/namespace.ts';
import { type WatchOptions, watch } from '../../src/watch/watch.ts';

declare const upstream: Etcd<'store'>;
declare const identifyOptions: IdentifyOptions;
declare const namespaceOptions: NamespaceOptions;
declare const guardParts: GuardParts;
declare const watchOptions: WatchOptions;

const top: Layer<'client', 'tenant'> = identify(identifyOptions);
const inTenantSpace = watch(watchOptions);
const prefixes = namespace(namespaceOptions);
const inStoreSpace = guard(guardParts);

export const right: Etcd<'client'> = top(inTenantSpace(prefixes(inStoreSpace(upstream))));

// @ts-expect-error no namespace: tenants' keys would reach etcd without their prefix
export const missing: Etcd<'client'> = top(inTenantSpace(inStoreSpace(upstream)));

// @ts-expect-error two namespaces: keys would get the prefix twice
export const doubled: Etcd<'client'> = top(inTenantSpace(prefixes(prefixes(upstream))));

// @ts-expect-error a layer of the tenant space below the namespace
export const swapped: Etcd<'client'> = top(prefixes(inTenantSpace(inStoreSpace(upstream))));

// @ts-expect-error no identify: the namespace would not know the tenant
export const unidentified: Etcd<'client'> = inTenantSpace(prefixes(upstream));
