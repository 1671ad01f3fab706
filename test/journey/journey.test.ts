/** From the tarball to a served model and back, on this machine, with the real nginx and the real engine. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Stage, stage } from './stage.js';

interface Ready {
  readonly state: string;
  readonly endpoint: string;
  readonly apiKey: string;
  readonly changed: readonly string[];
  readonly smoke: { readonly passed: boolean } | null;
}

interface Report {
  readonly supervisor: { readonly pid: number };
  readonly processes: readonly { readonly id: string; readonly pid: number }[];
}

let on: Stage;
let first: Ready;
let client: OpenAI;

const pidOf = (id: string): number => {
  const report = JSON.parse(readFileSync(join(on.home, 'run/supervisor.json'), 'utf8')) as Report;
  return id === 'supervisor' ? report.supervisor.pid : report.processes.find((one) => one.id === id)!.pid;
};

const init = (...more: string[]): Promise<Ready> =>
  on.json('init', '--model', 'demo', '--yes', ...more) as Promise<unknown> as Promise<Ready>;

const messages = [{ role: 'user' as const, content: 'Tell me of the sea.' }];

beforeAll(async () => {
  on = stage();
  first = await init();
  client = new OpenAI({ baseURL: first.endpoint, apiKey: first.apiKey, maxRetries: 0 });
}, 240_000);

afterAll(async () => {
  await on.remove();
}, 60_000);

describe('installed from the tarball', () => {
  it('takes less than 25 MB on disk, its dependencies included', () => {
    const kilobytes = Number(
      execFileSync('du', ['-sk', join(on.folder, 'node_modules')], { encoding: 'utf8' }).split('\t')[0],
    );
    expect(kilobytes).toBeLessThan(25_000);
  });

  it('is up, smoke-tested, with a key', () => {
    expect(first).toMatchObject({ state: 'ready', smoke: { passed: true } });
    expect(first.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
    expect(first.apiKey).toMatch(/^sk-/);
  });

  it('changes nothing the second time', async () => {
    expect((await init()).changed).toEqual([]);
    expect((await on.type('init', '--yes')).stdout).toContain('Nothing to change.');
  });

  it('has told status the same', async () => {
    expect(await on.json('status')).toMatchObject({
      name: 'default',
      target: 'local',
      state: 'ready',
      endpoint: first.endpoint,
      model: 'demo',
    });
  });
});

describe('the official client, unchanged', () => {
  it('lists the model', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(['demo']);
  });

  it('chats', async () => {
    const answer = await client.chat.completions.create({ model: 'demo', messages, max_tokens: 12, temperature: 0 });
    expect(answer.choices[0]!.message.content).toBeTruthy();
    expect(answer.usage!.total_tokens).toBe(answer.usage!.prompt_tokens + answer.usage!.completion_tokens);
  });

  it('streams what it would have said at once', async () => {
    const ask = { model: 'demo', messages, max_tokens: 40, temperature: 0 } as const;
    const whole = await client.chat.completions.create(ask);
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(whole.choices[0]!.message.content);
  });

  it('speaks JSON when told to', async () => {
    const answer = await client.chat.completions.create({
      model: 'demo',
      messages,
      max_tokens: 400,
      response_format: { type: 'json_object' },
    });
    const { finish_reason, message } = answer.choices[0]!;
    expect(message.content).toMatch(/^\s*\{/);
    if (finish_reason === 'stop') JSON.parse(message.content!);
  });

  it('goes away in the middle, and the engine stops for it', async () => {
    const stream = await client.chat.completions.create({ model: 'demo', messages, max_tokens: 3000, stream: true });
    let chunks = 0;
    for await (const _ of stream) {
      chunks += 1;
      if (chunks === 3) stream.controller.abort();
    }
    const engine = JSON.parse(readFileSync(join(on.home, 'deployment.json'), 'utf8')).engine as { port: number };
    const running = async (): Promise<string> => {
      const text = await (await fetch(`http://127.0.0.1:${engine.port}/metrics`)).text();
      return /^vllm:num_requests_running\S* (\S+)/m.exec(text)![1]!;
    };
    await expect.poll(running, { timeout: 5000 }).toBe('0');
  });

  it('is told apart by its key', async () => {
    const other = new OpenAI({ baseURL: first.endpoint, apiKey: 'sk-wrong', maxRetries: 0 });
    await expect(other.models.list()).rejects.toMatchObject({ status: 401 });
  });
});

it('gives each of many streams its own text', async () => {
  const ask = (seed: number) => ({ model: 'demo', messages, max_tokens: 60, temperature: 1, seed });
  const say = async (seed: number): Promise<string> => {
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...ask(seed), stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    return text;
  };
  const seeds = Array.from({ length: 12 }, (_, seed) => seed + 1);
  const together = await Promise.all(seeds.map(say));
  for (const seed of [1, 5, 12]) expect(together[seed - 1]).toBe(await say(seed));
  expect(new Set(together).size).toBe(seeds.length);
});

it('prints a curl line that works when it is pasted', async () => {
  await on.type('down', '--purge', '--audit-log', '--yes');
  const { stdout, code } = await on.type('init', '--model', 'demo', '--yes');
  expect(code).toBe(0);
  const line = stdout.slice(stdout.indexOf('curl '), stdout.indexOf('\n\n', stdout.indexOf('curl ')));
  const answer = JSON.parse(execFileSync('sh', ['-c', `${line} -s`], { encoding: 'utf8' }));
  expect(answer.choices[0].message.role).toBe('assistant');
  const key = /Bearer (sk-[\w-]+)/.exec(line)![1]!;
  client = new OpenAI({ baseURL: first.endpoint, apiKey: key, maxRetries: 0 });
}, 60_000);

it('refuses a revoked key within a second', async () => {
  const made = (await on.json('keys', 'create', 'short-lived')) as { id: string; secret: string };
  const guest = new OpenAI({ baseURL: first.endpoint, apiKey: made.secret, maxRetries: 0 });
  await guest.models.list();
  await on.type('keys', 'revoke', made.id, '--yes');
  await expect(guest.models.list()).rejects.toMatchObject({ status: 401 });
});

describe('kill -9', () => {
  it.each([
    ['engine', ['degraded', 'starting', 'ready']],
    ['gateway', ['degraded', 'starting', 'ready']],
    ['supervisor', ['degraded']],
  ])('of the %s: status tells the truth, init repairs', async (id, states) => {
    process.kill(pidOf(id), 'SIGKILL');
    expect(states).toContain((await on.json('status')).state);
    expect(await init()).toMatchObject({ state: 'ready' });
    await client.chat.completions.create({ model: 'demo', messages, max_tokens: 2 });
  });

  it('of init itself, at any time: the next one brings all up', async () => {
    for (const ms of [150, 400, 700, 1000, 1500]) {
      await on.type('down', '--purge', '--audit-log', '--yes');
      await on.typeAndKill(ms, 'init', '--model', 'demo', '--yes');
      const again = await init();
      expect(again, `killed after ${ms} ms`).toMatchObject({ state: 'ready' });
      client = new OpenAI({ baseURL: again.endpoint, apiKey: again.apiKey, maxRetries: 0 });
      await client.chat.completions.create({ model: 'demo', messages, max_tokens: 2 });
    }
  }, 120_000);
});

it('keeps the audit log over a purge: it is read, and goes on with the next init', async () => {
  expect((await on.type('down', '--purge', '--yes')).stdout).toContain('The audit log stays');
  expect(existsSync(join(on.home, 'deployment.json'))).toBe(false);
  expect(await on.json('audit', 'verify')).toMatchObject({ problems: [] });
  const before = (await on.json('audit', 'query')) as unknown as { id: string }[];
  expect(before.length).toBeGreaterThan(0);
  expect(await init()).toMatchObject({ state: 'ready' });
  const after = (await on.json('audit', 'query', '-n', '10000')) as unknown as { id: string }[];
  const ids = new Set(after.map(({ id }) => id));
  expect(before.filter(({ id }) => !ids.has(id))).toEqual([]);
  expect(await on.json('audit', 'verify')).toMatchObject({ problems: [] });
});

it('leaves no process, no port and no file', async () => {
  const { hostname, port } = new URL(first.endpoint);
  expect((await on.type('down', '--purge', '--audit-log', '--yes')).code).toBe(0);
  expect(on.processes()).toEqual([]);
  expect(existsSync(on.home)).toBe(false);
  expect(existsSync(join(on.folder, 'cache/deepseek-deploy'))).toBe(false);
  const refused = await new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.once('connect', () => resolve('connected'));
  });
  expect(refused).toBe('ECONNREFUSED');
});
