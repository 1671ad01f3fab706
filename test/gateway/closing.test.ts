/** Before an old nginx is reloaded its answers send callers to other connections, for a while and no longer. */
import { rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { expect, it } from 'vitest';
import { reloadCommand } from '../../src/gateway/tls.js';
import { type Both, onBoth } from './both.js';
import { sleep } from './engine.js';
import { apiKey } from './harness.js';

const hello = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });

/** Whether the caller's next request finds its connection gone. */
async function closes({ gateway }: Both): Promise<boolean> {
  const agent = new Agent({ keepAlive: true });
  const ask = () =>
    new Promise<boolean>((done, fail) => {
      const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
      const asked = request(`${gateway.url}/v1/chat/completions`, { method: 'POST', agent, headers }, (response) => {
        response.resume();
        response.on('close', () => done(asked.reusedSocket));
      });
      asked.on('error', fail);
      asked.end(hello);
    });
  await ask();
  const reused = await ask();
  agent.destroy();
  return !reused;
}

onBoth('a reload that is said before', {}, (both) => {
  it('closes connections where nginx does not wait for them itself, and only for a time', async () => {
    const old = both.nginx === 'debian';
    const say = async (seconds: number | string) => {
      const till = typeof seconds === 'string' ? seconds : `${Math.floor(Date.now() / 1000) + seconds}\n`;
      await writeFile(`${both.gateway.directory}/closing`, till, { mode: 0o644 });
      await sleep(500);
    };
    expect(await closes(both)).toBe(false);
    await say(2);
    expect(await closes(both)).toBe(old);
    await sleep(2000);
    expect(await closes(both)).toBe(false);
    for (const nonsense of [-1, 3600, '', 'soon', 'nan']) {
      await say(nonsense);
      expect(await closes(both), String(nonsense)).toBe(false);
    }
    // Whoever comes after the reload that it was said for does not close.
    await say(8);
    both.gateway.process.kill('SIGHUP');
    await sleep(1500);
    expect(await closes(both)).toBe(false);
    await rm(`${both.gateway.directory}/closing`);
  });
});

it('takes its time for old builds alone', () => {
  const waits = (...version: [number, number, number]) => reloadCommand('/g', { version }).argv.at(-1);
  expect([waits(1, 22, 1), waits(1, 27, 3), waits(1, 27, 4), waits(1, 31, 1)]).toEqual(['2', '2', '0', '0']);
  expect(reloadCommand('/g', undefined).argv.at(-1)).toBe('0');
});
