/**
 * The responses of one watch stream on their way: a control queue and an event queue that one loop sends from in any order,
 * except that a watch's events wait for its `created`. Then the network, which may lose the stream at any message.
 */
import type { Responses } from '../../src/call/call.ts';
import { Code, type Status, status } from '../../src/grpc/status.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import type { Seeded } from '../support/seeded.ts';
import type { Faults } from './faults.ts';
import type { SimulatedTime } from './simulated-time.ts';
import { encodeResponse, type WatchResponseFields } from './wire.ts';

export const lost: Status = status(Code.UNAVAILABLE, 'connection lost', 'lost');

export interface SendLoopHost {
  readonly faults: Faults;
}

interface Surroundings {
  readonly time: SimulatedTime;
  readonly random: Seeded;
}

interface Server {
  readonly isOver: boolean;
  end(ended: Status): void;
}

export function networkDelay({ networkMsMax }: Faults, random: Seeded): number {
  return networkMsMax === 0 ? 0 : random.below(networkMsMax + 1);
}

export class SendLoop {
  readonly #server: Server;
  readonly #host: SendLoopHost;
  readonly #member: Surroundings;
  readonly #responses: Responses<'tenant'>;
  readonly #control: WatchResponseFields[] = [];
  readonly #events: WatchResponseFields[] = [];
  readonly #announced = new Set<number>();
  readonly #unannounced = new Map<number, WatchResponseFields[]>();
  /** Responses in the network. */
  readonly #outbox: Uint8Array[] = [];
  #isSendDue = false;
  #isDeliveryDue = false;

  constructor(
    server: Server,
    host: SendLoopHost,
    member: Surroundings,
    responses: Responses<'tenant'>,
  ) {
    this.#server = server;
    this.#host = host;
    this.#member = member;
    this.#responses = responses;
  }

  control(response: WatchResponseFields): void {
    this.#control.push(response);
    this.#scheduleSend();
  }

  events(response: WatchResponseFields): void {
    this.#events.push(response);
    this.#scheduleSend();
  }

  #scheduleSend(): void {
    if (this.#isSendDue) return;
    this.#isSendDue = true;
    const { random, time } = this.#member;
    time.after(random.below(3), () => {
      this.#isSendDue = false;
      while (!this.#server.isOver && this.#control.length + this.#events.length > 0) {
        const isControl =
          this.#events.length === 0 || (this.#control.length > 0 && random.chance(0.5));
        if (isControl) this.#transmitControl(this.#control.shift() as WatchResponseFields);
        else this.#transmitEvents(this.#events.shift() as WatchResponseFields);
      }
    });
  }

  #transmitControl(response: WatchResponseFields): void {
    this.#transmit(response);
    const { watchId } = response;
    if (response.canceled) this.#announced.delete(watchId);
    else if (response.created) {
      this.#announced.add(watchId);
      const held = this.#unannounced.get(watchId) ?? [];
      this.#unannounced.delete(watchId);
      for (const each of held) this.#transmitEvents(each);
    }
  }

  #transmitEvents(response: WatchResponseFields): void {
    const { watchId, events = [], canceled } = response;
    if (watchId !== -1 && !this.#announced.has(watchId)) {
      const held = this.#unannounced.get(watchId) ?? [];
      this.#unannounced.set(watchId, held);
      held.push(response);
      return;
    }
    if (canceled) this.#announced.delete(watchId);
    const { fragmentEvents } = this.#host.faults;
    for (let first = 0; first === 0 || first < events.length; first += fragmentEvents) {
      const fragment = first + fragmentEvents < events.length;
      const piece = events.slice(first, first + fragmentEvents);
      this.#transmit({ ...response, events: piece, fragment });
    }
  }

  #transmit(response: WatchResponseFields): void {
    this.#outbox.push(encodeResponse(response));
    if (this.#isDeliveryDue) return;
    this.#isDeliveryDue = true;
    this.#member.time.after(networkDelay(this.#host.faults, this.#member.random), () =>
      this.#deliver(),
    );
  }

  /** Several messages may arrive in one turn, and the stream may be lost at any of them. */
  #deliver(): void {
    this.#isDeliveryDue = false;
    const { random, time } = this.#member;
    const count = random.chance(0.3) ? 1 : this.#outbox.length;
    for (let i = 0; i < count && !this.#server.isOver; i++) {
      if (random.chance(this.#host.faults.cut)) {
        this.#server.end(lost);
        return;
      }
      this.#responses.deliver(asOwned(this.#outbox.shift() as Uint8Array) as never);
    }
    if (this.#server.isOver || this.#outbox.length === 0) return;
    this.#isDeliveryDue = true;
    time.after(networkDelay(this.#host.faults, this.#member.random), () => this.#deliver());
  }
}
