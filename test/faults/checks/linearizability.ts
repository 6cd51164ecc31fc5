/**
 * Whether a history of concurrent operations on one register is linearizable: the search of Wing and Gong, with memoization
 * of the states already visited, as Lowe describes it. It is bounded: beyond `statesMax` the verdict is 'undecided'.
 */

/** The value of a register. Null before the first write. */
type Value = string | null;

export interface Operation {
  /** The value that the operation found. Left out if it does not depend on the value. */
  readonly reads?: Value;
  /** The value that the operation left. Left out if it changed nothing. */
  readonly writes?: string;
  readonly calledAt: number;
  /** Infinity if the outcome is not known: the operation may take effect at any time after its call, or never. */
  readonly returnedAt: number;
}

export interface Verdict {
  readonly is: 'linearizable' | 'not linearizable' | 'undecided';
  /** If it is not linearizable: the first operation that no order of the operations before it explains. */
  readonly stuckAt: Operation | null;
}

const statesMaxDefault = 200_000;

/** A point of the search: the operations that have taken effect, and the value they have left. */
interface State {
  /** All known operations before this index have taken effect. */
  readonly first: number;
  /** Indices of known operations after `first` that have taken effect too, ascending. */
  readonly ahead: readonly number[];
  /** Indices of operations of unknown outcome that have taken effect, ascending. */
  readonly unknown: readonly number[];
  readonly value: Value;
}

function inOrder(indices: readonly number[], added: number): number[] {
  return [...indices, added].sort((a, b) => a - b);
}

/** The same for every value that no operation reads, so that their order makes no difference to the search. */
const unread = '\0unread';

class Search {
  /** In the order of their calls. */
  readonly #known: readonly Operation[];
  /** Only those that another operation has read. */
  readonly #unknown: readonly Operation[];

  constructor(operations: readonly Operation[]) {
    const read = new Set(operations.map(({ reads }) => reads));
    const byCall = operations
      .map((each) =>
        each.writes === undefined || read.has(each.writes) ? each : { ...each, writes: unread },
      )
      .sort((a, b) => a.calledAt - b.calledAt);
    this.#known = byCall.filter(({ returnedAt }) => returnedAt !== Number.POSITIVE_INFINITY);
    // What no operation has read need not have happened. So these cost nothing, however many there are.
    this.#unknown = byCall.filter(
      ({ returnedAt, writes }) =>
        returnedAt === Number.POSITIVE_INFINITY && writes !== undefined && writes !== unread,
    );
  }

  run(statesMax: number): Verdict {
    let furthest = 0;
    const visited = new Set<string>();
    const stack: State[] = [{ first: 0, ahead: [], unknown: [], value: null }];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      const settled = this.#afterReads(state);
      if (settled.first === this.#known.length) return { is: 'linearizable', stuckAt: null };
      furthest = Math.max(furthest, settled.first);
      const name = JSON.stringify(settled);
      if (visited.has(name)) continue;
      if (visited.size === statesMax) return { is: 'undecided', stuckAt: null };
      visited.add(name);
      stack.push(...this.#next(settled));
    }
    return { is: 'not linearizable', stuckAt: this.#known[furthest] ?? null };
  }

  /** A read that is possible now can take effect now: it changes nothing for the others. */
  #afterReads(state: State): State {
    let settled = state;
    for (;;) {
      const { value } = settled;
      const found = this.#enabled(settled).find((i) => {
        const { reads, writes } = this.#known[i] as Operation;
        return writes === undefined && (reads === undefined || reads === value);
      });
      if (found === undefined) return settled;
      settled = this.#withKnown(settled, found, value);
    }
  }

  /** The states after one more write. */
  #next(state: State): State[] {
    const next: State[] = [];
    const last = this.#lastCall(state);
    const enabled = this.#enabled(state);
    const unknown = [...this.#unknown.keys()].filter(
      (i) => !state.unknown.includes(i) && (this.#unknown[i] as Operation).calledAt <= last,
    );
    const readers = [
      ...enabled.map((i) => this.#known[i]),
      ...unknown.map((i) => this.#unknown[i]),
    ];
    for (const i of unknown) {
      const { reads, writes = null } = this.#unknown[i] as Operation;
      if (reads !== undefined && reads !== state.value) continue;
      // The next operation reads the value: a write in between would hide it, and then it need not have happened.
      if (!readers.some((reader) => reader?.reads === writes)) continue;
      next.push({ ...state, unknown: inOrder(state.unknown, i), value: writes });
    }
    // The search continues with the last one, so with the one that was called first.
    for (const i of enabled.toReversed()) {
      const { reads, writes } = this.#known[i] as Operation;
      if (writes === undefined || (reads !== undefined && reads !== state.value)) continue;
      next.push(this.#withKnown(state, i, writes));
    }
    return next;
  }

  #withKnown(state: State, index: number, value: Value): State {
    if (index !== state.first) return { ...state, ahead: inOrder(state.ahead, index), value };
    let first = index + 1;
    let passed = 0;
    while (state.ahead[passed] === first) {
      first += 1;
      passed += 1;
    }
    return { ...state, first, ahead: state.ahead.slice(passed), value };
  }

  /** The known operations that may be the next: no other open operation has returned before their calls. */
  #enabled(state: State): number[] {
    const last = this.#lastCall(state);
    const enabled: number[] = [];
    for (let i = state.first; i < this.#known.length; i++) {
      if ((this.#known[i] as Operation).calledAt > last) break;
      if (!state.ahead.includes(i)) enabled.push(i);
    }
    return enabled;
  }

  /** The first return among the known operations that have not taken effect. */
  #lastCall({ first, ahead }: State): number {
    let last = Number.POSITIVE_INFINITY;
    for (let i = first; i < this.#known.length; i++) {
      const { calledAt, returnedAt } = this.#known[i] as Operation;
      if (calledAt > last) break;
      if (!ahead.includes(i)) last = Math.min(last, returnedAt);
    }
    return last;
  }
}

export function checkLinearizability(
  operations: readonly Operation[],
  statesMax = statesMaxDefault,
): Verdict {
  return new Search(operations).run(statesMax);
}
