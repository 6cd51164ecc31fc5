/** Memory for large messages, by default more than a test needs. */
import { refusal } from '../../src/call/refusals.ts';
import { MessageMemory, type MessageMemoryOptions } from '../../src/grpc/message-memory.ts';
import { systemClock } from '../../src/runtime/clock.ts';

export function memoryOf(options: Partial<MessageMemoryOptions> = {}): MessageMemory {
  return new MessageMemory({
    bytesMax: 1 << 30,
    responseBytesMax: 0x7fff_ffff,
    hasOneTenant: true,
    clock: systemClock,
    refusal: refusal('message-memory'),
    ...options,
  });
}
