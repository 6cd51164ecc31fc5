/**
 * Setup of the unit tests: a layer that calls a response sink after the end of its call fails the test that caused it.
 */
import { contractChecks } from '../../src/call/forwarding.ts';

contractChecks.onViolation = failTest;

/** For tests of a layer above a neighbour that breaks the contract. Checks are off while `run` runs, as in production. */
export function withoutContractChecks(run: () => void): void {
  contractChecks.onViolation = null;
  try {
    run();
  } finally {
    contractChecks.onViolation = failTest;
  }
}

function failTest(what: string): never {
  throw new Error(`the contract of a call is broken: ${what}`);
}
