/** Work that is put off until the current callback of the event loop has returned, injected so that simulations control it. */

/** Runs `work` after the current callback and before the event loop continues: before the sockets of this turn are flushed. */
export type Defer = (work: () => void) => void;

export const deferToTurn: Defer = (work) => process.nextTick(work);
