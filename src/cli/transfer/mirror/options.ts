/** The command line of `mirror`: the source has the flags of the other commands, the destination those with `--dest-`. */
import type { Config } from '../../../config/config.ts';
import type { RawValue } from '../../../config/file.ts';
import { loadConfig } from '../../../config/load.ts';
import type { Problem } from '../../../config/problem.ts';
import type { SettingName } from '../../../config/schema.ts';
import type { Command, Invocation } from '../../command.ts';
import {
  clusterSettings,
  type GivenFlags,
  type OptionsSpec,
  type OwnFlag,
  quiet,
  readOptions,
} from '../options.ts';

type ClusterSetting = (typeof clusterSettings)[number];
type DestinationFlag = `dest-${ClusterSetting}`;

type Flag = DestinationFlag | 'dest-namespace' | 'position-key' | 'once' | 'force' | 'max-outage';

const prefix = 'dest-';

const destinationDocs: Readonly<Record<ClusterSetting, Omit<OwnFlag, 'isBoolean'>>> = {
  endpoints: { kind: 'endpoints', isRequired: true, doc: 'Endpoints of the destination.' },
  cacert: { kind: 'file', doc: 'As --cacert, for the destination.' },
  cert: { kind: 'file', doc: 'As --cert, for the destination.' },
  key: { kind: 'file', doc: 'As --key, for the destination.' },
  user: { kind: 'text', doc: 'As --user, for the destination.' },
  'password-file': { kind: 'file', doc: 'As --password-file, for the destination.' },
  'server-name': { kind: 'text', doc: 'As --server-name, for the destination.' },
  'insecure-skip-tls-verify': { doc: 'As --insecure-skip-tls-verify, for the destination.' },
};

const destinationFlags = Object.fromEntries(
  Object.entries<OwnFlag>(destinationDocs).map(([name, flag]) => [
    prefix + name,
    { ...flag, isBoolean: name === 'insecure-skip-tls-verify' },
  ]),
) as Record<DestinationFlag, OwnFlag>;

export interface MirrorOptions {
  readonly source: Config;
  readonly destination: Config;
  readonly sourceNamespace: Buffer;
  readonly destinationNamespace: Buffer;
  readonly positionKey: Buffer;
  readonly isOnce: boolean;
  readonly isForced: boolean;
  /** How long a cluster may be unavailable. */
  readonly outageMsMax: number;
}

/** Returns the options, or an exit code after help or problems were printed. */
export async function readMirrorOptions(
  command: Pick<Command, 'name' | 'summary'>,
  invocation: Invocation,
): Promise<MirrorOptions | number> {
  let destination: Config | null = null;
  const spec: OptionsSpec<Flag> = {
    settings: ['admin-addr', 'log-level'],
    flags: {
      ...destinationFlags,
      'dest-namespace': {
        isRequired: true,
        doc: 'Prefix of all keys at the destination; "" means that they have none.',
      },
      'position-key': {
        doc: 'Key at the destination that holds the position (default etcd-bulkhead/mirror/ and the namespace)',
      },
      once: { isBoolean: true, doc: 'Exit when the destination has reached the current revision.' },
      force: {
        isBoolean: true,
        doc: 'Begin although the destination has keys already, or mirrors another source. Keys that the source does not have are deleted.',
      },
      'max-outage': {
        kind: 'duration',
        default: '60s',
        doc: 'With --once: how long a cluster may be unavailable before the command fails.',
      },
    },
    check: async (flags) => {
      const read = await destinationConfig(flags);
      if (!Array.isArray(read)) destination = read as Config;
      const problems = Array.isArray(read) ? [...(read as readonly Problem[])] : [];
      if (Number.isNaN(flags.ms('max-outage'))) {
        problems.push({ where: '--max-outage', what: 'must be a duration such as 30s' });
      }
      if (flags.isGiven('position-key') && flags.text('position-key') === '') {
        problems.push({ where: '--position-key', what: 'must not be empty' });
      }
      return problems;
    },
  };
  const options = await readOptions(command, invocation, spec);
  if (typeof options === 'number') return options;
  const destinationNamespace = options.flags.text('dest-namespace');
  const isOnce = options.flags.isSet('once');
  return {
    source: options.config,
    destination: destination as unknown as Config,
    sourceNamespace: options.namespace,
    destinationNamespace: Buffer.from(destinationNamespace),
    positionKey: Buffer.from(
      options.flags.text('position-key') || `etcd-bulkhead/mirror/${destinationNamespace}`,
    ),
    isOnce,
    isForced: options.flags.isSet('force'),
    outageMsMax: isOnce ? options.flags.ms('max-outage') : Number.POSITIVE_INFINITY,
  };
}

async function destinationConfig(given: GivenFlags<Flag>): Promise<Config | readonly Problem[]> {
  const flags = new Map<SettingName, RawValue>();
  for (const setting of clusterSettings) {
    const flag: DestinationFlag = `dest-${setting}`;
    if (given.isGiven(flag)) {
      flags.set(setting, { texts: [given.text(flag)], where: `--${flag}` });
    }
  }
  const { config, problems } = await loadConfig({
    flags,
    environment: {},
    defaults: quiet,
    checkTenants: () => [],
  });
  return config ?? problems;
}
