/** What is killed, reloaded or started again under load, and what callers and the audit log see of it. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { getState, stateOf } from '../../src/gateway/admin.js';
import { withKey } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { type Both, onBoth } from './both.js';
import { sleep, stream } from './engine.js';
import { testKey, testSettings, until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

const workers = async ({ gateway }: Both): Promise<number[]> => {
  const text = await readFile(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
};

const load = async ({ gateway }: Both): Promise<number> => {
  const state = await stateOf(await systemHttp.request(getState(gateway.admin)));
  return state.models[0]!.versions[0]!.peers[0]!.load;
};

/** 'complete', 'cut' or the error: what a caller sees of one stream. */
const streamed = async ({ gateway }: Both): Promise<string> => {
  try {
    const text = await (await gateway.post({ ...hello, stream: true })).text();
    return text.includes('data: [DONE]') ? 'complete' : 'cut';
  } catch {
    return 'broken';
  }
};

onBoth('a gateway of two workers', { workers: 2 }, (both) => {
  it('keeps its connections to the engine', async () => {
    const before = both.engine.connections();
    for (let i = 0; i < 50; i += 1) await (await both.gateway.post(hello)).text();
    expect(both.engine.connections() - before).toBeLessThanOrEqual(2);
  });

  it('goes on when a worker is killed: its streams break, its load is gone, nobody else notices', async () => {
    both.engine.usual(stream(60, 20));
    const streams = Array.from({ length: 12 }, () => streamed(both));
    await until('all are in hand', async () => (await load(both)) === 12 || undefined);
    const [victim, other] = await workers(both);
    process.kill(victim!, 'SIGKILL');
    await until(
      'another worker',
      async () => (await workers(both)).some((pid) => pid !== victim && pid !== other) || undefined,
    );
    both.engine.usual(stream(1));
    for (let i = 0; i < 10; i += 1) expect(await streamed(both)).toBe('complete');
    const ends = await Promise.all(streams);
    const complete = ends.filter((end) => end === 'complete').length;
    expect(complete + ends.filter((end) => end === 'broken').length).toBe(12);
    await until('no load is left', async () => (await load(both)) === 0 || undefined);
    // Killed or not: what was answered whole is on record.
    const told = (await both.gateway.audit()).filter((line) => line.stream && line.outcome === 'complete');
    expect(told).toHaveLength(complete + 10);
  });

  it('has every answered request on record, however it is killed', async () => {
    const ids = Array.from({ length: 200 }, (_, i) => `kill-${i}`);
    await Promise.all(
      ids.map(async (id) => (await both.gateway.post(hello, { headers: { 'x-request-id': id } })).text()),
    );
    for (const pid of await workers(both)) process.kill(pid, 'SIGKILL');
    const told = new Set((await both.gateway.audit()).map(({ id }) => id));
    expect(ids.filter((id) => !told.has(id))).toEqual([]);
    await until(
      'it answers again',
      async () => (await both.gateway.post(hello).catch(() => undefined))?.ok || undefined,
    );
  });

  it('reloads under streams: all events arrive, and settings that were put stay in force', async () => {
    const put = await both.gateway.put(
      withKey({ ...testSettings([both.engine.peer]), revision: 50 }, testKey({ id: 'key_2' }, 'sk-two')),
    );
    expect(put.status).toBe(200);
    both.engine.usual(stream(60, 20));
    const streams = Array.from({ length: 8 }, () => streamed(both));
    await sleep(200);
    const before = await workers(both);
    both.gateway.process.kill('SIGHUP');
    await until('new workers', async () => (await workers(both)).some((pid) => !before.includes(pid)) || undefined);
    await sleep(300);
    both.engine.usual(stream(1));
    const response = await both.gateway.post(hello, { headers: { authorization: 'Bearer sk-two' } });
    expect(response.status).toBe(200);
    await response.text();
    expect(await Promise.all(streams)).toEqual(Array(8).fill('complete'));
    await until(
      'the old workers leave',
      async () => !(await workers(both)).some((pid) => before.includes(pid)) || undefined,
    );
  });
});
