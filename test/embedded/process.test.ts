/** The engine as a process: what it says when it cannot serve, and how it goes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoModel } from '../../src/models/demo.js';
import { builtEngine } from './built.js';
import { testRuntime } from './runtime.js';
import { startEngine } from './start.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'engine-test-'));
  await testRuntime();
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the engine until it ends by itself. */
async function ends(config: unknown): Promise<{ code: number; log: Record<string, unknown>[]; text: string }> {
  const file = join(folder, 'config.json');
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config));
  const child = spawn(process.execPath, [join(await builtEngine(), 'dist/engine.js'), '--config', file]);
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  const [code] = (await once(child, 'close')) as [number];
  return {
    code,
    text,
    log: text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  };
}

const config = async (extra: object) => ({
  ...{ host: '127.0.0.1', port: 0, runtime: await testRuntime(), threads: 1, sequences: 1, contextSize: 256, queue: 1 },
  model: { id: 'm', file: join(folder, 'model.gguf') },
  ...extra,
});

describe('an engine that cannot serve', () => {
  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['a configuration that is none', async () => '{', /JSON/],
    ['fields that are wrong', () => config({ threads: 0, x: 1 }), /threads must be .*x is not known/],
    ['a model file that is missing', () => config({}), /no such file.*model\.gguf/],
    ['a runtime that is missing', () => config({ runtime: '/nowhere' }), /\/nowhere/],
    ['a key file that is missing', () => config({ keyFile: '/nowhere/key' }), /\/nowhere\/key/],
  ])('%s: ends with 1 and says so', async (_, made, words) => {
    const { code, log } = await ends(await made());
    expect(code).toBe(1);
    expect(log.at(-1)).toMatchObject({ level: 'error', event: 'failed' });
    expect(log.at(-1)!.message).toMatch(words);
  });

  it.each<[string, Uint8Array]>([
    ['is no model', new TextEncoder().encode('<html>'.repeat(1000))],
    ['was cut off', demoModel().slice(0, 2_000_000)],
    ['lost its middle', demoModel().fill(0xff, 20_000, 30_000)],
  ])('a model file that %s: ends with 1 and says so', async (_, bytes) => {
    await writeFile(join(folder, 'model.gguf'), bytes);
    const { code, log } = await ends(await config({}));
    expect(code).toBe(1);
    expect(log.at(-1)).toMatchObject({ level: 'error', event: 'failed', message: expect.stringMatching(/\w{3}/) });
    await rm(join(folder, 'model.gguf'));
  });

  it('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { code, log } = await ends(await config({ port }));
    other.close();
    expect(code).toBe(1);
    expect(log.at(-1)!.message).toMatch(/EADDRINUSE/);
  });

  it('a key that others can read', async () => {
    const keyFile = join(folder, 'key');
    await writeFile(keyFile, 'sk-secret');
    await chmod(keyFile, 0o644);
    const { code, text } = await ends(await config({ keyFile }));
    expect(code).toBe(1);
    expect(text).toContain('chmod 600');
    expect(text).not.toContain('sk-secret');
  });

  it('no arguments at all', async () => {
    const child = spawn(process.execPath, [join(await builtEngine(), 'dist/engine.js')]);
    expect(await once(child, 'exit')).toEqual([2, null]);
  });
});

const ask = (url: string, extra: object) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'Hi' }], ...extra }),
  });

describe('an engine that goes', () => {
  it('finishes what it is saying, takes nothing new, and ends with 0', async () => {
    const engine = await startEngine({ contextSize: 2048 });
    const response = await ask(engine.url, { stream: true, max_tokens: 1500, ignore_eos: true });
    const stopped = engine.stop();
    await engine.event('draining');
    await expect(ask(engine.url, {})).rejects.toThrow();
    const text = await response.text();
    expect(text).toMatch(/"finish_reason":"length"[\s\S]*data: \[DONE\]\n\n$/);
    expect(await stopped).toBe(0);
    expect(engine.log.at(-1)).toMatchObject({ event: 'stopped' });
  });

  it('waits no longer than it was told', async () => {
    const engine = await startEngine({ contextSize: 60_000, sequences: 1, drainSeconds: 0 });
    const response = await ask(engine.url, { stream: true, max_tokens: 50_000, ignore_eos: true });
    const began = performance.now();
    const stopped = engine.stop();
    const text = await response.text();
    expect(await stopped).toBe(0);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(text).toMatch(/data: \{"error":.*shutting down.*\}\n\n$/);
    expect(text).not.toContain('[DONE]');
  });

  it('goes on when its parent hangs up or stops reading', async () => {
    const engine = await startEngine();
    engine.process.stderr!.destroy();
    engine.process.kill('SIGHUP');
    for (let i = 0; i < 3; i++) expect((await ask(engine.url, { max_tokens: 3 })).status).toBe(200);
    expect(await engine.stop()).toBe(0);
  });
});

describe('an engine that comes', () => {
  it('says that it loads until the model has spoken', async () => {
    const slow = demoModel(1, { width: 256, heads: 4, layers: 12, hidden: 1024, weights: 'q8_0', context: 4096 });
    const engine = await startEngine({ early: true, modelBytes: slow, threads: 'auto', contextSize: 4096 });
    const early = await fetch(`${engine.url}/health`);
    const asked = await ask(engine.url, {});
    expect(early.status).toBe(503);
    expect(await early.json()).toEqual({ status: 'unavailable', reason: 'the model is loading' });
    expect(asked.status).toBe(503);
    expect(asked.headers.get('retry-after')).toBe('2');
    await engine.event('ready');
    expect((await fetch(`${engine.url}/health`)).status).toBe(200);
    expect(engine.log.find((line) => line.event === 'threads')).toMatchObject({ why: expect.any(String) });
    await engine.stop();
  });
});
