/** An engine that does what it is told, well or badly: each test gives it a script of behaviours, one a request. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Peer } from '../../src/gateway/settings.js';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Performance clock, ms. */
  readonly at: number;
  /** When the connection was closed before we had ended our answer. */
  abortedAt?: number;
}

export type Behaviour = (request: Seen, response: ServerResponse, socket: Socket) => void | Promise<void>;

export const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

const chatChunk = (content: string) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] })}\n\n`;

const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };

/** A whole chat answer with its usage. */
export const answer: Behaviour = (_, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
      usage,
    }),
  );
};

/** A stream of `count` events, one every `everyMs`; `head` waits before the first. */
export const stream =
  (count = 3, everyMs = 5, headMs = 0): Behaviour =>
  async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    await sleep(headMs);
    for (let i = 0; i < count; i += 1) {
      if (response.destroyed) return;
      response.write(chatChunk(`t${i} `));
      await sleep(everyMs);
    }
    response.write(`data: ${JSON.stringify({ choices: [], usage })}\n\n`);
    response.end('data: [DONE]\n\n');
  };

export const status =
  (code: number, body = '{"error":{"message":"from the engine"}}'): Behaviour =>
  (_, response) => {
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(body);
  };

/** Accepts and says nothing. */
export const hang: Behaviour = () => {};

/** TCP reset instead of an answer. */
export const reset: Behaviour = (_request, _response, socket) => {
  socket.resetAndDestroy();
};

/** Half of a JSON answer that promised more. */
export const half: Behaviour = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('{"choices":[');
  setTimeout(() => response.destroy(), 20);
};

/** A stream that dies after `count` events. */
export const dies =
  (count = 2): Behaviour =>
  async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let i = 0; i < count; i += 1) {
      response.write(chatChunk(`t${i} `));
      await sleep(5);
    }
    response.destroy();
  };

/** A stream that says nothing more after `count` events. */
export const fallsSilent =
  (count = 2): Behaviour =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let i = 0; i < count; i += 1) response.write(chatChunk(`t${i} `));
  };

/** Headers only after `ms`. */
export const slowHeaders =
  (ms: number): Behaviour =>
  async (request, response, socket) => {
    await sleep(ms);
    return answer(request, response, socket);
  };

export interface TestEngine {
  readonly peer: Peer;
  readonly seen: Seen[];
  /** Behaviours for the next requests, in order; after them `usual` again. */
  next(...behaviours: Behaviour[]): void;
  usual(behaviour: Behaviour): void;
  /** Empties `seen` and the queue. */
  forget(): void;
  connections(): number;
  stop(): Promise<void>;
}

/** @param at where it listens; by default a port of the system's choosing on 127.0.0.1 */
export async function startEngine(usual: Behaviour = answer, at: Partial<Peer> = {}): Promise<TestEngine> {
  const { host = '127.0.0.1', port = 0 } = at;
  const seen: Seen[] = [];
  const queue: Behaviour[] = [];
  let standing = usual;
  let connections = 0;
  const server = createServer({ keepAliveTimeout: 10_000 }, async (message, response) => {
    let body = '';
    for await (const part of message) body += part;
    const one: Seen = {
      method: message.method!,
      url: message.url!,
      headers: message.headers,
      body,
      at: performance.now(),
    };
    response.on('close', () => {
      if (!response.writableEnded) one.abortedAt = performance.now();
    });
    seen.push(one);
    await (queue.shift() ?? standing)(one, response, message.socket);
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((done) => server.listen(port, host, done));
  return {
    peer: { host, port: (server.address() as AddressInfo).port },
    seen,
    next: (...behaviours) => queue.push(...behaviours),
    usual: (behaviour) => {
      standing = behaviour;
    },
    forget() {
      seen.length = 0;
      queue.length = 0;
    },
    connections: () => connections,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
