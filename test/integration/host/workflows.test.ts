/** The workflows of the forge pass its linter, which Go builds. Without Go, only test/unit/repository checks them. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { goTool } from '../../support/go-tool.ts';

const linter = await goTool('github.com/rhysd/actionlint/cmd/actionlint', 'v1.7.12');

test.skipIf(linter === null)('every workflow passes actionlint', () => {
  const files = readdirSync('.github/workflows').map((name) => `.github/workflows/${name}`);
  const { stdout, status } = spawnSync(linter ?? '', ['-shellcheck=', ...files], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  expect(status).toBe(0);
  expect(files.length).toBeGreaterThan(1);
});
