import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { rangeStreamSuite } from './range-stream.suite.ts';

describe.each(targets)('RangeStream against $name', (kind) => rangeStreamSuite(kind));
