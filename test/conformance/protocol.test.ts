import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { protocolSuite } from './protocol.suite.ts';

describe.each(targets)('The protocol against $name', (kind) => protocolSuite(kind));
