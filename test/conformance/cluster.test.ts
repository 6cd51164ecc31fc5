import { describe } from 'vitest';
import { targets } from '../support/target.ts';
import { clusterSuite } from './cluster.suite.ts';

describe.each(targets)('Status, members and health against $name', (kind) => clusterSuite(kind));
