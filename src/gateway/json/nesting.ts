/** How deep messages may be nested in JSON. etcd refuses transactions long before that, with the same text. */
import { refusals } from '../../call/refusals.ts';

/** An operation of a nested transaction is two messages, and etcd accepts at most 128 levels of them. */
export const messageDepthMax = 400;

export const nestingError = refusals['operations-nested'].text;
