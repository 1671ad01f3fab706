/** An engine that speaks gRPC, well or badly, as it is told: one behaviour a call. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { frame } from '../../src/embedded/frames.js';
import { bytesOf, decode, encode, type Value } from '../../src/embedded/protobuf.js';
import type { Peer } from '../../src/gateway/settings.js';
import { sleep } from './engine.js';

export interface Call {
  readonly headers: IncomingHttpHeaders;
  /** The JSON it was asked with. */
  readonly json: string;
  /** The traces that came in the message. */
  readonly trace: Readonly<Record<string, string>>;
  /** Performance clock, ms: when the stream was closed from the other side. */
  cancelledAt?: number;
}

export type Behaviour = (stream: ServerHttp2Stream, call: Call, session: ServerHttp2Session) => unknown;

const head = { ':status': 200, 'content-type': 'application/grpc' } as const;

const message = (fields: readonly (readonly [number, Value])[]): Buffer => frame(encode(fields));

/** One framed OpenAIStreamChunk. */
export const chunk = (json: string, finished = false): Buffer =>
  message([
    [1, json],
    [2, finished],
  ]);

/** One framed OpenAIResponse. */
export const response = (json: string, code: number): Buffer =>
  message([
    [1, json],
    [2, code],
  ]);

const said = (content: string): string =>
  JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] });
export const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
export const wholeJson = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage,
});

/** The pieces, each in a write of its own, and then the status; no trailers where it is undefined. */
export const sends =
  (pieces: readonly Buffer[], status: number | undefined = 0, words = '', gapMs = 0): Behaviour =>
  async (stream) => {
    stream.respond(head, { waitForTrailers: status !== undefined });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': `${status}`, 'grpc-message': words }));
    for (const piece of pieces) {
      if (stream.destroyed) return;
      stream.write(piece);
      if (gapMs > 0) await sleep(gapMs);
    }
    if (!stream.destroyed) stream.end();
  };

/** As SGLang does it: the head at once, the answer when it is there. */
export const answer: Behaviour = (stream, call, session) =>
  JSON.parse(call.json).stream === true
    ? streams(3)(stream, call, session)
    : sends([chunk(wholeJson, true)])(stream, call, session);

export const streams = (count: number, gapMs = 5): Behaviour => {
  const events = Array.from({ length: count }, (_, i) => chunk(said(`t${i} `)));
  events.push(chunk(JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })));
  return sends([...events, chunk(JSON.stringify({ choices: [], usage })), chunk('', true)], 0, '', gapMs);
};

/** Only a status: gRPC's form of a refusal. */
export const refuses =
  (status: number, words = ''): Behaviour =>
  (stream) =>
    stream.respond({ ...head, 'grpc-status': `${status}`, 'grpc-message': words }, { endStream: true });

/** An HTTP status of something that is no engine. */
export const stranger =
  (code: number): Behaviour =>
  (stream) => {
    stream.respond({ ':status': code, 'content-type': 'text/html' });
    stream.end('<h1>proxy</h1>');
  };

export const hangs: Behaviour = () => {};
export const opens: Behaviour = (stream) => stream.respond(head);
/** The pieces, then nothing. */
export const fallsSilent =
  (pieces: readonly Buffer[]): Behaviour =>
  (stream) => {
    stream.respond(head);
    for (const piece of pieces) stream.write(piece);
  };
export const resets: Behaviour = (stream) => stream.close(2);
export const hangsUp: Behaviour = (_stream, _call, session) => session.destroy();

/** The pieces, then the connection is gone. */
export const dies =
  (pieces: readonly Buffer[]): Behaviour =>
  async (stream, _call, session) => {
    stream.respond(head);
    for (const piece of pieces) {
      stream.write(piece);
      await sleep(5);
    }
    session.destroy();
  };

export interface GrpcEngine {
  readonly peer: Peer;
  readonly calls: Call[];
  /** Behaviours for the next calls; after them the usual one. */
  next(...behaviours: Behaviour[]): void;
  usual(behaviour: Behaviour): void;
  forget(): void;
  sessions(): number;
  stop(): Promise<void>;
}

function read(body: Buffer): Pick<Call, 'json' | 'trace'> {
  const fields = decode(body.subarray(5));
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const pairs = fields
    .filter(({ number }) => number === 2)
    .map(({ value }) => decode(value as Uint8Array))
    .map((pair) => [text(bytesOf(pair, 1)), text(bytesOf(pair, 2))]);
  return { json: text(bytesOf(fields, 1)), trace: Object.fromEntries(pairs) };
}

export async function startGrpcEngine(): Promise<GrpcEngine> {
  const calls: Call[] = [];
  const queue: Behaviour[] = [];
  const sessions = new Set<ServerHttp2Session>();
  let standing = answer;
  let seen = 0;
  const server = createServer();
  server.on('session', (session) => {
    seen += 1;
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  const answered = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer): void => {
    const call: Call = { headers, ...read(body) };
    stream.once('aborted', () => {
      call.cancelledAt = performance.now();
    });
    calls.push(call);
    void (queue.shift() ?? standing)(stream, call, stream.session as ServerHttp2Session);
  };
  server.on('stream', (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (part) => parts.push(part as Buffer));
    stream.once('end', () => answered(stream, headers, Buffer.concat(parts)));
  });
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    peer: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    calls,
    next: (...behaviours) => queue.push(...behaviours),
    usual: (behaviour) => {
      standing = behaviour;
    },
    forget() {
      calls.length = 0;
      queue.length = 0;
      standing = answer;
    },
    sessions: () => seen,
    async stop() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
