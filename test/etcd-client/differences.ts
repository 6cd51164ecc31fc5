/** The tests that do not have the same results through the proxy as directly, by design, each with the reason. */

/** These run without a namespace, and then have the same results. */
export const withoutNamespace: ReadonlyMap<string, string> = new Map([
  ['TestV3LeaseNegativeID', 'with a namespace, lease IDs have 31 bits and are positive'],
]);

const membersOfCluster = 'tenants cannot add members to the cluster';

/** These differ. */
export const differences: ReadonlyMap<string, string> = new Map([
  ['TestElectionWithAuthEnabled', "tenants cannot administer etcd's users"],
  [
    'TestKVLargeRequests',
    'the test raises the size of requests that etcd accepts, and the proxy has its own --max-request-bytes',
  ],
  ['TestKVForLearner', membersOfCluster],
  ['TestBalancerSupportLearner', membersOfCluster],
]);

const mergedBytes = 'events of many revisions are merged up to 8 MiB, and the test expects 10 MiB';
const lingering =
  'a watch at etcd stays for 10 s after its last client; the test counts them after 1 s or 3 s';

/** These differ with --share-watches only. */
export const differencesOfSharedWatches: ReadonlyMap<string, string> = new Map([
  ['TestWatchFragmentDisable', mergedBytes],
  ['TestWatchFragmentEnable', mergedBytes],
  ['TestWatchFragmentEnableWithGRPCLimit', mergedBytes],
  ['TestV3WatchCloseCancelRace', lingering],
  ['TestWatchCancelOnServer', lingering],
  [
    'TestWatchWithRequireLeader',
    "the watch works, but etcd's metric of client versions, which the test reads, does not count the proxy's own streams",
  ],
]);
