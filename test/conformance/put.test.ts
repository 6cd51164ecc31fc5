import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { putSuite } from './put.suite.ts';

describe.each(targets)('Put against $name', (kind) => putSuite(kind));
