/**
 * SGLang's native gRPC service, as far as a gateway needs it: OpenAI's JSON inside gRPC. Messages by
 * https://github.com/sgl-project/sglang/blob/main/proto/sglang/runtime/v1/sglang.proto; as there, a streamed answer's
 * chunks are the JSON of the events without '[DONE]', and an empty chunk with `finished` ends it; an answer that is not
 * streamed is one chunk with `finished`. Refusals are gRPC statuses.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Door } from './door.js';
import { frame, GrpcError, grpcError, percentEncoded, status, timeoutMs, unframe } from './frames.js';
import { allowed } from './key.js';
import { type Log, requestId } from './log.js';
import { Pacer } from './pacer.js';
import { invalid, Problem, unauthorized } from './problem.js';
import { bytesOf, decode, encode } from './protobuf.js';
import { type Outlet, replyTo } from './reply.js';
import { chatAsk, textAsk } from './request.js';
import { begin } from './session.js';
import type { State } from './state.js';

export interface GrpcOptions {
  readonly state: State;
  readonly key: string | undefined;
  readonly log: Log;
}

const service = 'sglang.runtime.v1.SglangService';
const maxMessage = 16 << 20;

/** What a call has at hand. */
interface Call extends GrpcOptions {
  readonly message: Buffer;
  /** The call's, or the caller's for it. */
  readonly id: string;
  readonly outlet: GrpcOutlet;
}

const methods: Readonly<Record<string, { readonly open?: true; readonly handle: (call: Call) => void }>> = {
  [`/${service}/ChatComplete`]: { handle: (call) => answer(call, chatAsk) },
  [`/${service}/Complete`]: { handle: (call) => answer(call, textAsk) },
  [`/${service}/ListModels`]: { handle: models },
  [`/${service}/HealthCheck`]: {
    open: true,
    handle: ({ state, outlet }) => outlet.reply(encode([[1, state.trouble() === undefined]])),
  },
  '/grpc.health.v1.Health/Check': { open: true, handle: health },
};

function models({ state, outlet }: Call): void {
  const { modelId, contextSize } = state.need();
  const card = encode([
    [1, modelId],
    [2, modelId],
    [4, contextSize],
  ]);
  outlet.reply(encode([[1, card]]));
}

/** https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
function health({ state, message, outlet }: Call): void {
  const asked = new TextDecoder().decode(bytesOf(decode(message), 1));
  if (asked !== '' && asked !== service) throw new GrpcError(status.notFound, `There is no service '${asked}'.`);
  outlet.reply(encode([[1, state.trouble() === undefined ? 1 : 2]]));
}

function answer({ state, log, message, id, outlet }: Call, read: typeof chatAsk | typeof textAsk): void {
  const served = state.need();
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(decode(message), 1)));
  } catch (error) {
    throw invalid(`json_body is not JSON: ${(error as Error).message}`, null, 'invalid_json');
  }
  const ask = read(body);
  const session = begin(served, ask, id, { log, transport: 'grpc' }, replyTo(outlet, ask));
  outlet.onGone(() => session.gone());
}

const chunk = (json: string, finished: boolean): Buffer =>
  frame(
    encode([
      [1, json],
      [2, finished],
    ]),
  );

class GrpcOutlet implements Outlet {
  private pending: Buffer[] = [];
  private readonly pacer = new Pacer(() => this.flush());
  private closing = false;
  private ended = false;
  gone = (): void => {};

  constructor(private readonly stream: ServerHttp2Stream) {}

  open(): void {
    if (this.stream.destroyed || this.stream.headersSent) return;
    this.stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
    this.stream.once('wantTrailers', () => this.stream.sendTrailers({ 'grpc-status': `${status.ok}` }));
  }

  private write(framed: Buffer): void {
    this.pending.push(framed);
    if (this.closing) this.pacer.end();
    else this.pacer.soon();
  }

  private flush(): void {
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    if (this.stream.destroyed || this.ended) return;
    this.ended = this.closing;
    if (this.closing) this.stream.end(bytes);
    else this.stream.write(bytes);
  }

  part(json: string): void {
    this.write(chunk(json, false));
  }

  close(): void {
    this.closing = true;
    this.write(chunk('', true));
  }

  whole(json: string): void {
    this.open();
    this.closing = true;
    this.write(chunk(json, true));
  }

  /** A unary answer. */
  reply(message: Uint8Array): void {
    this.open();
    this.closing = true;
    this.write(frame(message));
  }

  refuse(problem: Problem): void {
    this.fail(grpcError(problem));
  }

  fail(error: GrpcError): void {
    const { stream } = this;
    if (stream.destroyed || this.ended) return;
    this.ended = true;
    const trailers = { 'grpc-status': `${error.status}`, 'grpc-message': percentEncoded(error.message) };
    if (!stream.headersSent) {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto', ...trailers }, { endStream: true });
      return;
    }
    stream.removeAllListeners('wantTrailers');
    stream.once('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(Buffer.concat(this.pending));
  }

  /** The client reset the stream, its connection broke, or its time is over. */
  onGone(react: () => void): void {
    this.gone = react;
    this.stream.once('close', react);
    if (this.stream.destroyed || this.ended) react();
  }
}

async function received(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxMessage) throw new GrpcError(status.resourceExhausted, `The message exceeds ${maxMessage} bytes.`);
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

async function handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, options: GrpcOptions): Promise<void> {
  const outlet = new GrpcOutlet(stream);
  const limit = timeoutMs(headers['grpc-timeout'] as string | undefined);
  if (limit !== undefined) {
    const late = new GrpcError(status.deadlineExceeded, 'The deadline has passed.');
    const timer = setTimeout(() => {
      outlet.fail(late);
      outlet.gone();
    }, limit);
    stream.once('close', () => clearTimeout(timer));
  }
  try {
    const path = `${headers[':path']}`;
    const method = methods[path];
    if (method === undefined) throw new GrpcError(status.unimplemented, `There is no ${path.slice(0, 100)}.`);
    if (!method.open && !allowed(headers.authorization, options.key)) throw unauthorized();
    const message = unframe(await received(stream));
    method.handle({ ...options, message, id: requestId(headers['x-request-id']), outlet });
  } catch (error) {
    outlet.fail(refusal(error, options.log));
  }
}

function refusal(error: unknown, log: Log): GrpcError {
  if (error instanceof GrpcError) return error;
  if (error instanceof Problem) return grpcError(error);
  // Bytes that are no protobuf, or a stream that was cut.
  if (error instanceof Error && /protobuf/.test(error.message)) {
    return new GrpcError(status.invalidArgument, error.message);
  }
  log('bug', { error: String((error as Error)?.stack ?? error) }, 'error');
  return new GrpcError(status.internal, 'The engine failed on this request.');
}

/** What a connection has, once its last stream is over, to be closed by the other side too; ms. */
const partingMs = 500;

/** Cleartext HTTP/2 with prior knowledge; not yet listening. */
export function grpcServer(options: GrpcOptions): Door {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const streams = new Set<ServerHttp2Stream>();
  let closing = false;
  const cutSockets = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const idle = (): void => {
    if (closing && streams.size === 0) setTimeout(cutSockets, partingMs).unref();
  };
  const server = createServer({ settings: { maxConcurrentStreams: 1000 } });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    streams.add(stream);
    stream.once('close', () => {
      streams.delete(stream);
      idle();
    });
    stream.on('error', () => {});
    const type = headers['content-type'] ?? '';
    if (headers[':method'] !== 'POST' || !type.startsWith('application/grpc')) {
      stream.respond({ ':status': 415 }, { endStream: true });
      return;
    }
    void handle(stream, headers, options);
  });
  server.on('sessionError', () => {});
  return {
    server,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      // Says GOAWAY and waits for the session's streams.
      for (const session of sessions) session.close();
      closing = true;
      idle();
      await closed;
    },
    cut: () => {
      server.close();
      for (const session of sessions) session.destroy();
      cutSockets();
    },
  };
}
