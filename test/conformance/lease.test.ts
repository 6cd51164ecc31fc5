import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { leaseSuite } from './lease.suite.ts';

describe.each(targets)('Lease against $name', (kind) => leaseSuite(kind));
