/**
 * The deadline of a call, which the gateway enforces like the gRPC library of a client: the pipeline and etcd may report it later,
 * or as another error.
 */
import { refusal } from '../../call/refusals.ts';
import { Code, type Status } from '../../grpc/status.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';

/** The longest time that a timer of Node can have. */
const timerMsMax = 0x7fff_ffff;
/** etcd's own timer may be that much ahead. */
const aheadMs = 2;

export class CallDeadline {
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #cancelTimer: CancelTimer | null;

  /** `onExceeded` is not called after `cancel`. `Infinity`: the call has no deadline. */
  constructor(clock: Clock, deadlineMs: number, onExceeded: (status: Status) => void) {
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
    this.#cancelTimer =
      deadlineMs === Number.POSITIVE_INFINITY
        ? null
        : clock.after(Math.min(timerMsMax, Math.max(0, deadlineMs - clock.nowMs())), () =>
            onExceeded(refusal('deadline-passed')),
          );
  }

  cancel(): void {
    this.#cancelTimer?.();
  }

  /** What the client learns of a call that ended with that status now. */
  statusOf(ended: Status): Status {
    if (ended.code === Code.OK || this.#deadlineMs === Number.POSITIVE_INFINITY) return ended;
    return this.#clock.nowMs() + aheadMs >= this.#deadlineMs ? refusal('deadline-passed') : ended;
  }
}
