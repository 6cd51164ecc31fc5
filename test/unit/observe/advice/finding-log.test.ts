/** How often findings are logged. */
import { expect, test } from 'vitest';
import { FindingLog } from '../../../../src/observe/advice/finding-log.ts';
import { type Finding, TenantFindings } from '../../../../src/observe/advice/tenant-findings.ts';
import { createLogger } from '../../../../src/observe/logger.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const finding = (name: Finding['name']): Finding => ({
  ...{ name, subject: 'x', concernsKey: false, sinceEpochMs: 0, figures: {}, text: 'do this' },
});

test('each finding of each of thousands of tenants is logged, once per hour', () => {
  const written: string[] = [];
  const clock = new ManualClock();
  const logger = createLogger('info', {}, { write: (line: string) => written.push(line) });
  const log = new FindingLog(logger, clock, null);
  const tenants = Array.from({ length: 2_000 }, (_, index) => new TenantFindings(`t${index}`));
  const writeAll = () => {
    for (const tenant of tenants) {
      log.write(tenant, finding('busy-key'));
      log.write(tenant, finding('large-values'));
    }
  };
  writeAll();
  clock.advance(3_599_000);
  writeAll();
  expect(written).toHaveLength(4_000);
  clock.advance(1_000);
  writeAll();
  expect(written).toHaveLength(8_000);
});
