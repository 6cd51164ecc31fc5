/** End-to-end tests of etcd that pass with etcd's proxy and not with this one, by design, each with the reason. */

const countedStreams =
  "the test counts etcd's cancelled watch streams; here the watches of all clients share streams, which stay open";

export const differences: ReadonlyMap<string, string> = new Map([
  ['TestV3MetricsSecure', countedStreams],
  ['TestV3MetricsInsecure', countedStreams],
]);
