import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { startSuite } from './start.suite.ts';

describe.each(targets)('The first call to $name', (kind) => startSuite(kind));
