/**
 * The files of the dashboard, which are in the folder dashboard/ next to this file, in the source tree and in a build. They are
 * read when they are requested, so a dashboard that is not open costs no memory. Loaded with the first request.
 *
 * The page loads nothing from other hosts, and the policy below makes browsers enforce it. Text of tenants is data for it:
 * it cannot become markup or a script.
 */
import { readFile } from 'node:fs/promises';
import { type Page, text } from './page.ts';

const script = 'text/javascript; charset=utf-8';

/** Every file by its path below /dashboard/. */
const files: ReadonlyMap<string, { readonly name: string; readonly type: string }> = new Map([
  ['', { name: 'index.html', type: 'text/html; charset=utf-8' }],
  ['dashboard.css', { name: 'dashboard.css', type: 'text/css; charset=utf-8' }],
  ['icon.svg', { name: 'icon.svg', type: 'image/svg+xml' }],
  ...[
    ...['theme.js', 'main.js', 'poll.js', 'rates.js', 'format.js', 'elements.js', 'table.js'],
    ...['overview.js', 'tenants.js', 'tenant-dialog.js', 'cluster.js', 'configuration.js'],
    ...['findings.js', 'actions.js', 'sparkline.js', 'sections.js'],
  ].map((name) => [name, { name, type: script }] as const),
]);

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const headers = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // For browsers that do not know `frame-ancestors`.
  'x-frame-options': 'DENY',
} as const;

/** `path` is what follows /dashboard/. */
export async function dashboardFile(path: string): Promise<Page> {
  const file = files.get(path);
  if (file === undefined) return text(404, 'not found');
  const body = await readFile(new URL(`./dashboard/${file.name}`, import.meta.url));
  return { code: 200, type: file.type, body, headers };
}
