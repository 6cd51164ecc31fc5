import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { gzipSuite } from './gzip.suite.ts';

describe.each(targets)('gzip against $name', (kind) => gzipSuite(kind));
