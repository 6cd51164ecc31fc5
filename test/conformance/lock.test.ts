import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { lockSuite } from './lock.suite.ts';

describe.each(targets)('Lock against $name', (kind) => lockSuite(kind));
