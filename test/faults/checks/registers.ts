/** The operations on each register are linearizable. */
import type { Ledger } from '../ledger.ts';
import { checkLinearizability } from './linearizability.ts';

export function checkRegisters({ registers }: Ledger): string[] {
  const found: string[] = [];
  for (const [key, operations] of registers) {
    const { is, stuckAt } = checkLinearizability(operations);
    if (is !== 'linearizable') found.push(`${key} is ${is}: ${JSON.stringify(stuckAt)}`);
  }
  return found;
}
