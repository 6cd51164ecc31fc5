import { describe } from 'vitest';
import { leaseTargets } from '../support/target.ts';
import { electionSuite } from './election.suite.ts';

describe.each(leaseTargets)('Election against $name', (kind) => electionSuite(kind));
