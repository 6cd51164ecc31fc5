import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { electionSuite } from './election.suite.ts';

describe.each(targets)('Election against $name', (kind) => electionSuite(kind));
