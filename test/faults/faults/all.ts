/** Every fault of the matrix, in the order of its report. */
import type { Fault } from '../fault.ts';
import { memberFaults } from './members.ts';
import { middleFaults } from './middles.ts';

export const faults: readonly Fault[] = [...memberFaults, ...middleFaults];
