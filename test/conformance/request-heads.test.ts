import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { requestHeadsSuite } from './request-heads.suite.ts';

describe.each(targets)('Request heads against $name', (kind) => requestHeadsSuite(kind));
