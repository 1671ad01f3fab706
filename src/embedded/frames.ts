/** gRPC over HTTP/2, the parts that are not HTTP/2: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
import type { Problem } from './problem.js';

export const status = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type Status = (typeof status)[keyof typeof status];

const byHttp: Readonly<Record<number, Status>> = {
  400: status.invalidArgument,
  401: status.unauthenticated,
  404: status.notFound,
  413: status.resourceExhausted,
  429: status.resourceExhausted,
  503: status.unavailable,
};

export class GrpcError extends Error {
  constructor(
    readonly status: Status,
    message: string,
  ) {
    super(message);
  }
}

export const grpcError = (problem: Problem): GrpcError =>
  new GrpcError(byHttp[problem.status] ?? status.internal, problem.message);

/** Length-prefixed message, not compressed. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 5);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** The one message of a request. @throws GrpcError */
export function unframe(body: Buffer): Buffer {
  if (body.length < 5) throw new GrpcError(status.invalidArgument, 'The request has no message.');
  if (body[0] === 1) throw new GrpcError(status.unimplemented, 'Compressed messages are not supported.');
  if (body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) {
    throw new GrpcError(status.invalidArgument, 'The request is not one whole message.');
  }
  return body.subarray(5);
}

/** `grpc-message` takes printable ASCII; everything else is percent-encoded. */
export const percentEncoded = (message: string): string =>
  [...new TextEncoder().encode(message)]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout` ('10S', '500m') in milliseconds; undefined when there is none, or it is none. */
export function timeoutMs(header: string | undefined): number | undefined {
  const [, amount, unit] = /^(\d{1,8})([HMSmun])$/.exec(header ?? '') ?? [];
  return amount === undefined ? undefined : Number(amount) * unitMs[unit!]!;
}
