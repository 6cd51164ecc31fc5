/** The entry of the pipeline for a server transport. The bytes of a client become messages of the client space here. */
import { Call, type Etcd, type Message } from '../call/call.ts';
import { type Method, methodsByPath } from '../etcd/methods.ts';
import type { CallHandler } from '../grpc/transport.ts';

export function callHandler(etcd: Etcd<'client'>): CallHandler<Method> {
  return {
    methods: methodsByPath,
    unary: (incoming, request, responses) =>
      etcd.unary(new Call(incoming), request as Message<'client'>, responses),
    stream: (incoming, responses) => etcd.stream(new Call(incoming), responses),
  };
}
