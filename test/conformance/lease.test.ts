import { describe } from 'vitest';
import { leaseTargets } from '../support/target.ts';
import { leaseSuite } from './lease.suite.ts';

describe.each(leaseTargets)('Lease against $name', (kind) => leaseSuite(kind));
