/** Every fault of the matrix, in the order of its report. */
import type { Fault } from '../fault.ts';
import { linkFaults } from './links.ts';
import { memberFaults } from './members.ts';
import { membershipFaults } from './membership.ts';
import { middleFaults } from './middles.ts';
import { storeFaults } from './stores.ts';

export const faults: readonly Fault[] = [
  ...memberFaults,
  ...linkFaults,
  ...membershipFaults,
  ...storeFaults,
  ...middleFaults,
];
