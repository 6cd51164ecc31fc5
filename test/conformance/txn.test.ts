import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { txnSuite } from './txn.suite.ts';

describe.each(targets)('Txn against $name', (kind) => txnSuite(kind));
