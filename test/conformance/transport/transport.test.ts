import { describe } from 'vitest';
import { cancellationSuite } from './cancellation.suite.ts';
import { connectionsSuite } from './connections.suite.ts';
import { drainSuite } from './drain.suite.ts';
import { flowControlSuite } from './flow-control.suite.ts';
import { foreignPeersSuite, silentServerSuite } from './foreign-peers.suite.ts';
import { metadataSuite } from './metadata.suite.ts';
import { grpcJs, native, transportPairs } from './pairs.ts';
import { sharedMessagesSuite } from './shared-messages.suite.ts';
import { streamsSuite } from './streams.suite.ts';
import { tlsSuite } from './tls.suite.ts';
import { unaryCallsSuite } from './unary-calls.suite.ts';

describe.each(transportPairs)('transport: $name', (kind) => {
  describe('unary calls', () => unaryCallsSuite(kind));
  describe('metadata', () => metadataSuite(kind));
  describe('cancellation', () => cancellationSuite(kind));
  describe('streams', () => streamsSuite(kind));
  describe('flow control', () => flowControlSuite(kind));
  describe('shared messages', () => sharedMessagesSuite(kind));
  describe('connections', () => connectionsSuite(kind));
  describe('drain', () => drainSuite(kind));
  describe('TLS', () => tlsSuite(kind));
  describe('foreign peers', () => foreignPeersSuite(kind));
});

// Only the client matters, so the mixed pairs add nothing.
describe('transport: clients', () => silentServerSuite([native, grpcJs]));
