/** The shape of a handler of one method in this layer, and what all handlers share. Made once per method at start-up. */
import type { Etcd } from '../call/call.ts';
import type { Random } from '../runtime/random.ts';
import type { ProxyMember } from './cluster/proxy-member.ts';
import type { NamespaceHooks } from './hooks.ts';

export interface NamespaceOptions {
  /** Draws lease IDs, which must not be predictable. */
  readonly random: Random;
  readonly hooks: NamespaceHooks;
  readonly self: ProxyMember;
}

export type UnaryHandler = Etcd<'tenant'>['unary'];
export type StreamHandler = Etcd<'tenant'>['stream'];
export type ToUnary = (next: Etcd<'store'>, options: NamespaceOptions) => UnaryHandler;
export type ToStream = (next: Etcd<'store'>, options: NamespaceOptions) => StreamHandler;
