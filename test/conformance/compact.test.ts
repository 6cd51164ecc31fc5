import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { compactSuite } from './compact.suite.ts';

describe.each(targets)('Compact against $name', (kind) => compactSuite(kind));
