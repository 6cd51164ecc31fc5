import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { rangeSuite } from './range.suite.ts';

describe.each(targets)('Range against $name', (kind) => rangeSuite(kind));
