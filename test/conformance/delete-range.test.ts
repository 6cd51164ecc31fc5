import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { deleteRangeSuite } from './delete-range.suite.ts';

describe.each(targets)('DeleteRange against $name', (kind) => deleteRangeSuite(kind));
