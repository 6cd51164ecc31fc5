import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { txnCompareSuite } from './txn-compare.suite.ts';

describe.each(targets)('The conditions of Txn against $name', (kind) => txnCompareSuite(kind));
