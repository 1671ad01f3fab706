/** A real HTTP server that says exactly what a test scripts, in the order the test lets it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface TestServer {
  /** Ends in /v1. */
  readonly url: string;
  readonly asked: Asked[];
  /** The most requests that were open at once. */
  readonly peak: () => number;
  readonly connections: () => number;
  close(): Promise<void>;
}

export type Handler = (asked: Asked, response: ServerResponse, n: number) => void | Promise<void>;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

export async function serve(handler: Handler): Promise<TestServer> {
  const asked: Asked[] = [];
  let open = 0;
  let peak = 0;
  let connections = 0;
  const server = createServer(async (request, response) => {
    open += 1;
    peak = Math.max(peak, open);
    const over = (): void => {
      response.off('finish', over).off('close', over);
      open -= 1;
    };
    response.on('finish', over).on('close', over);
    const one = { path: request.url!, headers: request.headers, body: await bodyOf(request).catch(() => '') };
    asked.push(one);
    await handler(one, response, asked.length - 1);
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    peak: () => peak,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const event = (body: unknown): string => `data: ${JSON.stringify(body)}\n\n`;

export const chunk = (delta: object, finish: string | null = null): string =>
  event({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
  });

export const usage = (prompt: number, tokens: number): string =>
  event({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [],
    usage: { prompt_tokens: prompt, completion_tokens: tokens, total_tokens: prompt + tokens },
  });

export const done = 'data: [DONE]\n\n';

export const openStream = (response: ServerResponse, type = 'text/event-stream; charset=utf-8'): void => {
  response.writeHead(200, { 'content-type': type });
  response.flushHeaders();
};

/** A whole good answer of some words, a role chunk first. */
export const answerWith = (response: ServerResponse, words: readonly string[], prompt = 7): void => {
  openStream(response);
  response.write(chunk({ role: 'assistant', content: '' }));
  for (const word of words) response.write(chunk({ content: word }));
  response.end(chunk({}, 'stop') + usage(prompt, words.length) + done);
};
