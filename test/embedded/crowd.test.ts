/** Many at once: nobody hears another's words, nobody waits without end, nobody keeps what he has left behind. */
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type EngineOptions, type RunningEngine, startEngine } from './start.js';

/** Other work on the machine makes nothing wrong, only late. */
const patience = { timeout: 15_000, interval: 30 };

const running: RunningEngine[] = [];
async function start(options: EngineOptions): Promise<RunningEngine> {
  const engine = await startEngine(options);
  running.push(engine);
  return engine;
}
afterEach(async () => {
  await Promise.all(running.splice(0).map((engine) => engine.stop()));
});

interface Said {
  readonly status: number;
  readonly text: string;
}

const body = (extra: object) =>
  JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hi' }], stream: true, ...extra });

async function say(engine: RunningEngine, extra: object, signal?: AbortSignal): Promise<Said> {
  const response = await fetch(`${engine.url}/v1/chat/completions`, {
    method: 'POST',
    body: body(extra),
    signal: signal ?? null,
  });
  const all = await response.text();
  const parts = [...all.matchAll(/^data: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json!));
  return { status: response.status, text: parts.map((part) => part.choices?.[0]?.delta.content ?? '').join('') };
}

const gauge = async (engine: RunningEngine, name: string): Promise<number> => {
  const text = await (await fetch(`${engine.url}/metrics`)).text();
  return Number(new RegExp(`^vllm:${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1]);
};
const idle = (engine: RunningEngine) =>
  expect
    .poll(() => Promise.all([gauge(engine, 'num_requests_running'), gauge(engine, 'num_requests_waiting')]), patience)
    .toEqual([0, 0]);

describe('a crowd', () => {
  it('is answered each as if alone', async () => {
    const engine = await start({ sequences: 8, queue: 64 });
    const asked = Array.from({ length: 24 }, (_, i) => ({
      seed: 100 + i,
      max_tokens: 20 + ((i * 7) % 60),
      messages: [{ role: 'user', content: `Number ${i} `.repeat(1 + ((i * 5) % 20)) }],
      ...(i % 6 === 5 ? { response_format: { type: 'json_object' } } : {}),
    }));
    const alone: Said[] = [];
    for (const one of asked) alone.push(await say(engine, one));
    const together = await Promise.all(asked.map((one) => say(engine, one)));
    expect(together).toEqual(alone);
    expect(new Set(alone.map(({ text }) => text)).size).toBe(asked.length);
  });

  it('is told at once when the queue is full, with when to come again', async () => {
    const engine = await start({ sequences: 1, queue: 2 });
    const long = { max_tokens: 900, ignore_eos: true };
    const stop = new AbortController();
    const lasting = Array.from({ length: 3 }, () => say(engine, long, stop.signal).catch(() => undefined));
    await expect.poll(() => gauge(engine, 'num_requests_waiting'), patience).toBe(2);
    const refused = await fetch(`${engine.url}/v1/chat/completions`, { method: 'POST', body: body({}) });
    expect(await gauge(engine, 'num_requests_waiting')).toBe(2);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'queue_full' } });
    expect((await fetch(`${engine.url}/health`)).status).toBe(200);
    stop.abort();
    await Promise.all(lasting);
    await idle(engine);
    expect((await say(engine, { max_tokens: 3 })).status).toBe(200);
  });

  it('leaves its places to others when it goes, streaming or not, running or waiting', async () => {
    const engine = await start({ sequences: 2, queue: 8 });
    for (const stream of [true, false]) {
      const stop = new AbortController();
      const asked = { stream, max_tokens: 1000, ignore_eos: true };
      const lasting = Array.from({ length: 6 }, () => say(engine, asked, stop.signal).catch(() => 'gone'));
      await expect.poll(() => gauge(engine, 'num_requests_waiting'), patience).toBe(4);
      stop.abort();
      expect(await Promise.all(lasting)).toEqual(Array(6).fill('gone'));
      await idle(engine);
    }
    const tokens = await gauge(engine, 'generation_tokens_total');
    expect(tokens).toBeLessThan(2 * 2 * 1000);
    expect(await gauge(engine, 'kv_cache_usage_perc')).toBe(0);
    const text = await (await fetch(`${engine.url}/metrics`)).text();
    expect(text).toContain('finished_reason="abort"} 12');
  });

  it('may be rude: gone in mid-request, gone in mid-answer, reading nothing', async () => {
    const engine = await start({ sequences: 2, queue: 8 });
    const request = body({ max_tokens: 1000, ignore_eos: true });
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${request.length}\r\n\r\n`;
    const sockets = [head, head + request.slice(0, 30), head + request, head + request].map((bytes, i) => {
      const socket = connect(engine.port, '127.0.0.1', () => socket.write(bytes));
      socket.on('error', () => {});
      if (i === 3) socket.pause();
      else socket.once('data', () => socket.resetAndDestroy());
      return socket;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const socket of sockets.slice(0, 2)) socket.resetAndDestroy();
    const answers = await Promise.all([1, 2, 3].map((seed) => say(engine, { seed, max_tokens: 10 })));
    for (const answer of answers) expect(answer.status).toBe(200);
    sockets[3]!.destroy();
    await idle(engine);
    expect(engine.process.exitCode).toBeNull();
    expect(engine.log.filter((line) => line.event === 'bug')).toEqual([]);
  });

  it('has short questions answered beside long ones', async () => {
    const engine = await start({ sequences: 4, queue: 64 });
    const stop = new AbortController();
    const long = [1, 2, 3].map(() =>
      say(engine, { max_tokens: 900, ignore_eos: true }, stop.signal).catch(() => undefined),
    );
    await expect.poll(() => gauge(engine, 'num_requests_running'), patience).toBe(3);
    await say(engine, { max_tokens: 3 });
    expect(await gauge(engine, 'num_requests_running')).toBe(3);
    stop.abort();
    await Promise.all(long);
  });
});
