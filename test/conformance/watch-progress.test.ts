import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { watchProgressSuite } from './watch-progress.suite.ts';

describe.each(targets)('Progress and fragments against $name', (kind) => watchProgressSuite(kind));
