import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { watchSuite } from './watch.suite.ts';

describe.each(targets)('Watch against $name', (kind) => watchSuite(kind));
