/** The OpenAI API over HTTP/1.1. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Door } from './door.js';
import { allowed } from './key.js';
import { type Log, requestId } from './log.js';
import { broken, invalid, Problem, unauthorized } from './problem.js';
import { replyTo } from './reply.js';
import { chatAsk, textAsk } from './request.js';
import { sendJson, sendProblem } from './respond.js';
import { begin } from './session.js';
import { HttpOutlet } from './sse.js';
import type { State } from './state.js';

export interface HttpOptions {
  readonly state: State;
  /** Undefined: everybody may ask. */
  readonly key: string | undefined;
  readonly log: Log;
}

const maxBody = 16 << 20;
/** Longer than the 60 s for which nginx keeps its idle upstream connections: who closes last causes no 502. */
const keepAliveMs = 75_000;

type Handle = (request: IncomingMessage, response: ServerResponse, options: HttpOptions, id: string) => unknown;

interface Route {
  readonly method: 'GET' | 'POST';
  readonly open?: true;
  readonly handle: Handle;
}

const routes: Readonly<Record<string, Route>> = {
  '/health': { method: 'GET', open: true, handle: health },
  '/metrics': { method: 'GET', open: true, handle: metrics },
  '/v1/models': { method: 'GET', handle: models },
  '/v1/chat/completions': { method: 'POST', handle: (...all) => answer(chatAsk, ...all) },
  '/v1/completions': { method: 'POST', handle: (...all) => answer(textAsk, ...all) },
};

function health(_: IncomingMessage, response: ServerResponse, { state }: HttpOptions): void {
  const trouble = state.trouble();
  const body = trouble === undefined ? { status: 'ok' } : { status: 'unavailable', reason: trouble };
  sendJson(response, trouble === undefined ? 200 : 503, JSON.stringify(body));
}

function metrics(_: IncomingMessage, response: ServerResponse, { state }: HttpOptions): void {
  const served = state.any();
  const text = served?.metrics.text(served.scheduler.load()) ?? '';
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(text);
}

const started = Math.floor(Date.now() / 1000);

function models(_: IncomingMessage, response: ServerResponse, { state }: HttpOptions): void {
  const { modelId, contextSize } = state.need();
  const card = {
    id: modelId,
    object: 'model',
    created: started,
    owned_by: 'deepseek-deploy',
    max_model_len: contextSize,
  };
  sendJson(response, 200, JSON.stringify({ object: 'list', data: [card] }));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const tooLarge = new Problem(413, 'invalid_request_error', `The body is larger than ${maxBody} bytes.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBody) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBody) throw tooLarge;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch (error) {
    throw invalid(`The body is not JSON: ${(error as Error).message}`, null, 'invalid_json');
  }
}

async function answer(
  read: typeof chatAsk | typeof textAsk,
  request: IncomingMessage,
  response: ServerResponse,
  { state, log }: HttpOptions,
  id: string,
): Promise<void> {
  const served = state.need();
  const ask = read(await bodyOf(request));
  const outlet = new HttpOutlet(response);
  const session = begin(served, ask, id, { log, transport: 'http' }, replyTo(outlet, ask));
  // A response that was written whole is closed too; `gone` knows.
  response.once('close', () => session.gone());
  if (response.destroyed) session.gone();
}

async function handle(request: IncomingMessage, response: ServerResponse, options: HttpOptions): Promise<void> {
  const id = requestId(request.headers['x-request-id']);
  response.setHeader('x-request-id', id);
  try {
    const route = routes[(request.url ?? '').split('?', 1)[0]!];
    if (route === undefined) {
      const message = `There is no ${request.method} ${(request.url ?? '').slice(0, 100)}.`;
      throw new Problem(404, 'invalid_request_error', message, null, 'not_found');
    }
    if (!route.open && !allowed(request.headers.authorization, options.key)) throw unauthorized();
    if (request.method !== route.method && !(route.method === 'GET' && request.method === 'HEAD')) {
      response.setHeader('allow', route.method);
      throw new Problem(405, 'invalid_request_error', `Use ${route.method} here.`, null, 'method_not_allowed');
    }
    await route.handle(request, response, options, id);
  } catch (error) {
    refuse(response, error, options.log, id);
  }
}

function refuse(response: ServerResponse, error: unknown, log: Log, id: string): void {
  // The client went away while it was sending.
  if (response.destroyed) return;
  if (!(error instanceof Problem)) log('bug', { id, error: String((error as Error)?.stack ?? error) }, 'error');
  const problem = error instanceof Problem ? error : broken('The engine failed on this request.');
  if (problem.status !== 404) log('refused', { id, status: problem.status, code: problem.code, param: problem.param });
  if (response.headersSent) response.destroy();
  else sendProblem(response, problem);
}

/**
 * Node closes connections that are idle between requests, but not those that never sent one; so the books of who is
 * being answered are kept here.
 */
function closer(server: Server): Pick<Door, 'close' | 'cut'> {
  const answering = new Map<Socket, number>();
  let closing = false;
  const release = (socket: Socket): void => {
    if (closing && (answering.get(socket) ?? 0) === 0) socket.destroySoon();
  };
  server.on('connection', (socket) => {
    answering.set(socket, 0);
    socket.once('close', () => answering.delete(socket));
  });
  server.prependListener('request', ({ socket }, response) => {
    answering.set(socket, (answering.get(socket) ?? 0) + 1);
    response.once('close', () => {
      if (!answering.has(socket)) return;
      answering.set(socket, answering.get(socket)! - 1);
      release(socket);
    });
  });
  return {
    close: async () => {
      const closed = once(server, 'close');
      closing = true;
      server.close();
      for (const socket of answering.keys()) release(socket);
      await closed;
    },
    cut: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** HTTP/1.1, not yet listening. */
export function httpServer(options: HttpOptions): Door {
  const server = createServer(
    { keepAliveTimeout: keepAliveMs, headersTimeout: 30_000, requestTimeout: 120_000, noDelay: true },
    (request, response) => void handle(request, response, options),
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
    const body = invalid('The request is not HTTP.').json();
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
    const head = [`HTTP/1.1 ${status}`, 'content-type: application/json', 'connection: close'];
    socket.end(`${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
  return { server, ...closer(server) };
}
