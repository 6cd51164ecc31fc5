/** The metadata of a call, as far as it is large, counted in the memory of its connection's requests until the call ends. */
import { type ByteAccount, ByteHold } from '../../runtime/byte-budget.ts';

/** A smaller head costs about as much memory as its stream. */
export const largeHeadBytesMin = 8_192;

export class LargeHead extends ByteHold {
  readonly canShed = true;
  readonly #onShed: () => void;

  /** `onShed` ends the call, because the process needs the memory. */
  constructor(account: ByteAccount, bytes: number, onShed: () => void) {
    super(account);
    this.#onShed = onShed;
    this.count(bytes);
  }

  /** Nothing is reserved: a head has arrived as a whole. */
  override onReserved(): void {}

  override onShed(): void {
    this.release();
    this.#onShed();
  }
}
