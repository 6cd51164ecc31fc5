import { describe } from 'vitest';
import { leaseTargets } from '../support/target.ts';
import { lockSuite } from './lock.suite.ts';

describe.each(leaseTargets)('Lock against $name', (kind) => lockSuite(kind));
