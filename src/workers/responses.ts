/** What the workers respond to a question of the primary process. */

/** A worker process, as far as it is asked. */
export interface Asked {
  readonly isServing: boolean;
  readonly hasEnded: boolean;
}

/** A place for a worker. */
export interface AskedSlot<P extends Asked> {
  readonly worker: number;
  /** Null while no process is running. */
  readonly process: P | null;
}

/**
 * Asks all serving workers at the same time. `ask` resolves with null if a worker does not respond in time. The last counts of a
 * worker that has ended meanwhile are kept elsewhere, so that its response would count twice: it is left out, also if another
 * worker has responded only after that end.
 */
export async function responsesOf<P extends Asked, T>(
  slots: readonly AskedSlot<P>[],
  ask: (process: P) => Promise<T | null>,
): Promise<readonly { readonly worker: number; readonly value: T }[]> {
  const responses = await Promise.all(
    slots.map(async ({ worker, process }) => {
      const value = process?.isServing ? await ask(process) : null;
      return { worker, process, value };
    }),
  );
  return responses.flatMap(({ worker, process, value }) =>
    value === null || process?.hasEnded !== false ? [] : [{ worker, value }],
  );
}
