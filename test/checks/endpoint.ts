/** An endpoint that keeps every promise the smoke test looks at, so that a test breaks one of them and sees it found. */
import type { ServerResponse } from 'node:http';
import { systemClock } from '../../src/hosts/clock.js';
import { type Asked, done, event, openStream, serve, type TestServer } from '../bench/server.js';

export interface Body {
  readonly model?: string;
  readonly max_tokens?: number;
  readonly stream?: boolean;
  readonly stop?: readonly string[];
  readonly response_format?: unknown;
}

export interface Promises {
  /** Undefined lets anybody in. */
  readonly key?: string | undefined;
  models(): unknown;
  answer(body: Body, n: number): { status: number; body: unknown };
  /** The events' data, in order; the server sends one a ms. */
  events(body: Body): readonly (unknown | '[DONE]')[];
  readonly streamType: string;
  /** Everything at once. */
  readonly buffered: boolean;
  unknownRoute(response: ServerResponse): void;
  readonly unknownModel: number;
  readonly badJson: number;
  readonly health: number;
  /** Goes on with an answer whose reader has gone. */
  readonly deaf: boolean;
  readonly metrics: boolean;
}

export const words = 'one two three four five six seven eight nine ten eleven twelve thirteen fourteen'.split(' ');

const usageOf = (tokens: number) => ({ prompt_tokens: 9, completion_tokens: tokens, total_tokens: 9 + tokens });

/** Says `words` over and over. */
function textOf({ max_tokens: limit = 16, stop = [], response_format }: Body): { text: string[]; finish: string } {
  if (response_format) return { text: ['{"ok"', ':true}'], finish: 'stop' };
  const text = Array.from({ length: limit }, (_, at) => `${words[at % words.length]} `);
  const end = text.findIndex((_, at) =>
    stop.some((word) =>
      text
        .slice(0, at + 1)
        .join('')
        .includes(word),
    ),
  );
  return end < 0 ? { text, finish: 'length' } : { text: text.slice(0, end), finish: 'stop' };
}

const fine: Promises = {
  key: 'sk-good',
  models: () => ({ object: 'list', data: [{ id: 'm', object: 'model' }] }),
  answer(body, n) {
    const { text, finish } = textOf(body);
    const message = { role: 'assistant', content: text.join('') };
    return {
      status: 200,
      body: {
        ...{ id: `chatcmpl-${n}`, object: 'chat.completion', created: 1, model: 'm', usage: usageOf(text.length) },
        choices: [{ index: 0, message, finish_reason: finish }],
      },
    };
  },
  events(body) {
    const { text, finish } = textOf(body);
    const chunk = (delta: object, reason: string | null = null) => ({
      ...{ id: 'chatcmpl-s', object: 'chat.completion.chunk', created: 1, model: 'm' },
      choices: [{ index: 0, delta, finish_reason: reason }],
    });
    return [
      chunk({ role: 'assistant', content: '' }),
      ...text.map((content) => chunk({ content })),
      chunk({}, finish),
      { ...chunk({}), choices: [], usage: usageOf(text.length) },
      '[DONE]',
    ];
  },
  streamType: 'text/event-stream',
  buffered: false,
  unknownRoute: (response) => refuse(response, 404),
  unknownModel: 404,
  badJson: 400,
  health: 200,
  deaf: false,
  metrics: true,
};

export function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`{"error":{"message":"status ${status}"}}`);
}

export interface Endpoint extends TestServer {
  readonly metricsUrl: string | undefined;
}

export async function endpoint(broken: Partial<Promises> = {}): Promise<Endpoint> {
  const kept = { ...fine, ...broken };
  let running = 0;

  async function stream(body: Body, response: ServerResponse): Promise<void> {
    let there = true;
    response.on('close', () => {
      there = false;
    });
    openStream(response, kept.streamType);
    const events = kept.events(body).map((data) => (data === '[DONE]' ? done : event(data)));
    if (kept.buffered) {
      // As long as a real model takes: a faster answer is not judged.
      await systemClock.sleep(300);
      response.end(events.join(''));
      return;
    }
    for (const one of events) {
      if (!there && !kept.deaf) return;
      if (there) response.write(one);
      await systemClock.sleep(1);
    }
    response.end();
  }

  async function chat({ body, headers }: Asked, response: ServerResponse, n: number): Promise<void> {
    if (kept.key !== undefined && headers.authorization !== `Bearer ${kept.key}`) return refuse(response, 401);
    const read = parsedOr(body);
    if (read === undefined) return refuse(response, kept.badJson);
    if (read.model !== 'm') return refuse(response, kept.unknownModel);
    running += 1;
    try {
      if (read.stream) return await stream(read, response);
      const { status, body: answer } = kept.answer(read, n);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    } finally {
      running -= 1;
    }
  }

  const server = await serve(async (asked, response, n) => {
    if (asked.path === '/health') return void response.writeHead(kept.health).end();
    if (asked.path === '/metrics' && kept.metrics) {
      return void response.end(`# TYPE x gauge\nvllm:num_requests_running{model_name="m"} ${running}\n`);
    }
    if (asked.path === '/v1/models') return void response.end(JSON.stringify(kept.models()));
    if (asked.path === '/v1/chat/completions') return chat(asked, response, n);
    kept.unknownRoute(response);
  });
  return { ...server, metricsUrl: server.url.replace(/\/v1$/, '/metrics') };
}

function parsedOr(body: string): Body | undefined {
  try {
    return JSON.parse(body) as Body;
  } catch {
    return undefined;
  }
}
