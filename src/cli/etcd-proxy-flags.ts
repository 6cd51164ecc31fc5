/**
 * The flags of `etcd grpc-proxy start` that are not settings here, each with its conversion or with the reason why it has no effect or
 * is rejected. A flag is rejected only if ignoring it would weaken security or correctness.
 */
import type { SettingName } from '../config/schema.ts';

/** How a flag is handled. */
interface EtcdProxyFlag {
  readonly isBoolean: boolean;
  /** `setting`: converted to settings. `ignored`: accepted with a remark. `rejected`: a problem. */
  readonly handling: 'setting' | 'ignored' | 'rejected';
  /** The reason, for the remark or problem. */
  readonly reason: string;
  /** Values that have no effect, and are accepted without a remark or problem. */
  readonly accepted?: readonly string[];
}

const ignored = (
  reason: string,
  options: Partial<Pick<EtcdProxyFlag, 'isBoolean' | 'accepted'>> = {},
): EtcdProxyFlag => ({ isBoolean: false, handling: 'ignored', reason, ...options });

const rejected = (
  reason: string,
  options: Partial<Pick<EtcdProxyFlag, 'isBoolean' | 'accepted'>> = {},
): EtcdProxyFlag => ({ isBoolean: false, handling: 'rejected', reason, ...options });

const setting = (reason: string, isBoolean = false): EtcdProxyFlag => ({
  isBoolean,
  handling: 'setting',
  reason,
});

const off = { isBoolean: true, accepted: ['false'] };

export const etcdProxyFlags: Readonly<Record<string, EtcdProxyFlag>> = {
  'metrics-addr': setting('the admin address, with TLS for https://'),
  debug: setting('log level debug', true),
  'max-send-bytes': setting('--max-request-bytes'),
  'max-recv-bytes': ignored('responses of etcd are not limited in size', {
    accepted: ['2147483647'],
  }),
  'enable-pprof': ignored('use the profiling tools of Node.js', off),
  'permit-without-stream': ignored(
    'etcd is pinged only while calls are open, because it disconnects clients that ping otherwise',
    off,
  ),
  'experimental-serializable-ordering': rejected(
    'serializable reads of different members can go back in time; use linearizable reads',
    off,
  ),
  'experimental-leasing-prefix': rejected(
    'reads from a lease cache can be stale, and its metadata would be writable by clients',
    { accepted: [''] },
  ),
  'experimental-enable-grpc-logging': rejected(
    'it would log values; --log-level=debug logs calls without values',
    off,
  ),
};

const requestBytesMin = 1_024;
const requestBytesMax = 1_073_741_824;

/** The settings that a flag with handling `setting` is converted to. */
export function convertedSettings(
  name: string,
  text: string,
): readonly (readonly [SettingName, string])[] {
  switch (name) {
    case 'debug':
      return [['log-level', text === 'false' ? 'info' : 'debug']];
    case 'max-send-bytes':
      return [['max-request-bytes', requestBytes(text)]];
    default:
      return adminAddress(text);
  }
}

/** As in etcd, 0 and negative numbers mean its default. Texts that are not numbers are reported as such. */
function requestBytes(text: string): string {
  const bytes = Number(text);
  if (Number.isNaN(bytes)) return text;
  if (bytes <= 0) return '1.5MiB';
  return String(Math.min(Math.max(bytes, requestBytesMin), requestBytesMax));
}

function adminAddress(url: string): readonly (readonly [SettingName, string])[] {
  const [, scheme, address = url] = /^(https?):\/\/(.*?)\/?$/.exec(url) ?? [];
  const plain = [['admin-addr', address]] as const;
  return scheme === 'https' ? [...plain, ['admin-tls', 'true']] : plain;
}
