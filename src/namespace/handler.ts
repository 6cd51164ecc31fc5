/** The shape of what handles one method in this layer, and what all of them may use. Made once per method at start-up. */
import type { Etcd } from '../call/call.ts';
import type { Random } from '../runtime/random.ts';
import type { NamespaceHooks } from './hooks.ts';
import type { Self } from './cluster/member-list.ts';

export interface NamespaceOptions {
  /** Draws the IDs of leases: they must not be guessable. */
  readonly random: Random;
  readonly hooks: NamespaceHooks;
  /** What MemberList says. */
  readonly self: Self;
}

export type UnaryHandler = Etcd<'tenant'>['unary'];
export type StreamHandler = Etcd<'tenant'>['stream'];
export type ToUnary = (next: Etcd<'store'>, options: NamespaceOptions) => UnaryHandler;
export type ToStream = (next: Etcd<'store'>, options: NamespaceOptions) => StreamHandler;
