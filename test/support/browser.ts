/**
 * A headless Chromium for tests of the dashboard. It is taken from the PATH, or installed with apt where that is permitted.
 * Without both, `chromiumPath` is null and the reason is printed.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { atExit } from './at-exit.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
const installTimeoutMs = 300_000;

function findOnPath(): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {}
    }
  }
  return null;
}

/** Resolves when it has ended, whatever its outcome. Other tests may use apt at the same time. */
async function install(): Promise<void> {
  const script =
    'i() { apt-get -o DPkg::Lock::Timeout=120 install -y -q --no-install-recommends chromium; }; i || { apt-get update -q && i; }';
  const command = ['sh', '-c', script];
  if (process.getuid?.() !== 0) command.unshift('sudo', '-n');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const [program = '', ...args] = command;
  // Not run synchronously, so that the test runner stays responsive.
  await promisify(execFile)(program, args, { env, timeout: installTimeoutMs }).catch(() => {});
}

/** The path of Chromium, or null. */
export async function findChromium(): Promise<string | null> {
  if (findOnPath() === null) await install();
  const found = findOnPath();
  if (found === null) console.log('skipped: there is no Chromium, and apt cannot install it');
  return found;
}

/** A browser of this process. */
export async function launch(path: string): Promise<Browser> {
  // As root, Chromium runs only without its own sandbox. The pages are the project's.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: path, args: [...args, '--disable-gpu'] });
  atExit(() => void browser.close());
  return browser;
}

/** What went wrong in a page: exceptions, violations of the policy, and messages of the console that are errors. */
export function faultsOf(page: Page): readonly string[] {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    // A proxy without advice responds with 404 to /advicez, which browsers report here.
    if (message.type() === 'error' && !message.location().url.endsWith('/advicez')) {
      faults.push(`console: ${message.text()}`);
    }
  });
  return faults;
}
