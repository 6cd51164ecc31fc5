/** What a response over HTTP/1.1 has written and the client has not read, counted in the memory of the connection's responses. */
import { type ByteAccount, ByteHold } from '../runtime/byte-budget.ts';

/** Less costs no more memory than the connection. */
const countedBytesMin = 65_536;

export class UnsentBytes extends ByteHold {
  readonly canShed = true;
  readonly #onRefused: () => void;

  /** `onRefused` closes the connection, because the process needs the memory. */
  constructor(account: ByteAccount, onRefused: () => void) {
    super(account);
    this.#onRefused = onRefused;
  }

  /** `length` bytes wait now. */
  set(length: number): void {
    const counted = length < countedBytesMin ? 0 : length;
    if (counted > this.bytes) this.count(counted - this.bytes);
    else if (counted < this.bytes) this.release(this.bytes - counted);
  }

  onReserved(): void {}

  onShed(): void {
    this.release();
    this.#onRefused();
  }
}
