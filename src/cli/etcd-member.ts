/** How a member of etcd is started and recognised as healthy. Shared with the tests and the benchmark. */

export interface MemberFlags {
  readonly name: string;
  readonly dataDir: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  /** `name=peerUrl` of all members, for a cluster of more than one. */
  readonly initialCluster?: string;
}

/** The flags that every member needs. */
export function memberFlags(member: MemberFlags): string[] {
  const { name, dataDir, clientUrl, peerUrl, initialCluster = `${name}=${peerUrl}` } = member;
  return [
    `--name=${name}`,
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${initialCluster}`,
  ];
}

/** Without ETCD_… variables, which etcd reads as flags: they are for this proxy or for another etcd. */
export function memberEnvironment(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD_'));
  const environment = Object.fromEntries(others);
  if (process.arch === 'x64') return environment;
  // etcd before 3.5 starts on other architectures only if this variable acknowledges that they are not supported.
  return { ...environment, ETCD_UNSUPPORTED_ARCH: process.arch };
}

/** Whether a linearizable read succeeds. */
export async function isHealthy(clientUrl: string): Promise<boolean> {
  try {
    const response = await fetch(`${clientUrl}/health`, { signal: AbortSignal.timeout(1000) });
    return (await response.text()).includes('"health":"true"');
  } catch {
    return false;
  }
}
