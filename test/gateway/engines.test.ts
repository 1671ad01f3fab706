/** Engines that fail: what is tried again, what is not, and what the caller is told. */
import { expect, it } from 'vitest';
import { onBoth } from './both.js';
import { dies, fallsSilent, half, hang, reset, sleep, slowHeaders, status, stream, type TestEngine } from './engine.js';
import { until } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const total = (engines: readonly TestEngine[]) => engines.reduce((sum, { seen }) => sum + seen.length, 0);
const everywhere = (engines: readonly TestEngine[], behaviour: Parameters<TestEngine['usual']>[0]) => {
  for (const engine of engines) engine.usual(behaviour);
};

onBoth('three engines', { engines: 3 }, (both) => {
  it.each([
    ['502', status(502)],
    ['504', status(504)],
    ['a reset', reset],
  ])('a POST answered by %s goes to another peer', async (_, behaviour) => {
    // Whichever peer is asked first fails; the others answer.
    let failed = 0;
    everywhere(both.engines, (request, response, socket) => {
      failed += 1;
      return (failed === 1 ? behaviour : status(200, '{"ok":true}'))(request, response, socket);
    });
    const response = await both.gateway.post(hello, {
      headers: { 'x-request-id': `retry-${behaviour.name}-${_}`.replace(/ /g, '-') },
    });
    expect(response.status).toBe(200);
    expect(total(both.engines)).toBe(2);
    expect(both.engines.filter(({ seen }) => seen.length === 1)).toHaveLength(2);
    const line = await both.gateway.auditOf(response.headers.get('x-request-id')!);
    expect(line).toMatchObject({ attempts: 2, outcome: 'complete', status: 200 });
  });

  it.each([
    ['a reset', reset],
    ['502', status(502)],
  ])('a stream after %s comes whole from the next peer', async (_, behaviour) => {
    for (const headMs of [0, 50]) {
      let asked = 0;
      everywhere(both.engines, (request, response, socket) => {
        asked += 1;
        return (asked === 1 ? behaviour : stream(5, 10, headMs))(request, response, socket);
      });
      const response = await both.gateway.post({ ...hello, stream: true });
      const events = (await response.text()).split('\n\n').filter(Boolean);
      expect(events).toHaveLength(6);
      expect(events.at(-1)).toBe('data: [DONE]');
      expect(asked).toBe(2);
    }
  });

  it('after one failure the peer is asked again: nobody is marked dead for ten seconds', async () => {
    everywhere(both.engines, status(502));
    await (await both.gateway.post(hello)).text();
    everywhere(both.engines, status(200, '{}'));
    for (let i = 0; i < 20; i += 1) expect((await both.gateway.post(hello)).status).toBe(200);
    for (const { seen } of both.engines) expect(seen.length).toBeGreaterThan(1);
  });

  it('is given up after three tries, also where connections are kept', async () => {
    // Warm, kept connections to every peer: nginx would add a try of its own for each.
    for (let i = 0; i < 12; i += 1) await (await both.gateway.post(hello)).text();
    for (const engine of both.engines) engine.forget();
    everywhere(both.engines, reset);
    const response = await both.gateway.post(hello, { headers: { 'x-request-id': `three-${Math.random()}` } });
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { type: 'server_error', code: 'engine_unavailable' } });
    expect(total(both.engines)).toBeLessThanOrEqual(3);
    expect(await both.gateway.auditOf(response.headers.get('x-request-id')!)).toMatchObject({
      attempts: 3,
      outcome: 'refused',
    });
  });

  it.each([400, 422, 429, 500, 503])('an engine’s own %d is passed on and not tried again', async (code) => {
    everywhere(both.engines, status(code));
    const response = await both.gateway.post(hello);
    expect(response.status).toBe(code);
    expect(await response.text()).toBe('{"error":{"message":"from the engine"}}');
    expect(total(both.engines)).toBe(1);
  });

  it('spreads requests over the peers by their load', async () => {
    everywhere(both.engines, slowHeaders(100));
    await Promise.all(Array.from({ length: 30 }, () => both.gateway.post(hello).then((response) => response.text())));
    for (const { seen } of both.engines) expect(seen.length).toBeGreaterThanOrEqual(7);
  });
});

onBoth('a slow failure', { engines: 2, engineSilence: 3 }, (both) => {
  it('is not tried again: the work would be done twice', async () => {
    everywhere(both.engines, hang);
    const started = performance.now();
    const response = await both.gateway.post(hello);
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ error: { code: 'engine_timeout' } });
    expect(total(both.engines)).toBe(1);
    expect(performance.now() - started).toBeLessThan(4500);
  });
});

onBoth('one engine', { engineSilence: 2 }, (both) => {
  it('a kept connection that went stale costs no request', async () => {
    await (await both.gateway.post(hello)).text();
    // The engine closes its idle connections behind nginx's back.
    both.engine.next((request, response, socket) => {
      status(200, '{}')(request, response, socket);
      response.on('finish', () => setTimeout(() => socket.destroy(), 1));
    });
    await (await both.gateway.post(hello)).text();
    await sleep(20);
    expect((await both.gateway.post(hello)).status).toBe(200);
  });

  it('half an answer ends as a broken connection, and is told as cut', async () => {
    both.engine.next(half);
    const response = await both.gateway.post(hello, { headers: { 'x-request-id': `half-${Math.random()}` } });
    await expect(response.text()).rejects.toThrow();
    expect(await both.gateway.auditOf(response.headers.get('x-request-id')!)).toMatchObject({
      outcome: 'cut',
      status: 200,
    });
  });

  it.each([
    ['dies', dies(3)],
    ['falls silent', fallsSilent(3)],
  ])('a stream that %s ends with an error event, is told as cut, and is not tried again', async (_, behaviour) => {
    both.engine.next(behaviour);
    const id = `broken-${Math.random()}`;
    const response = await both.gateway.post({ ...hello, stream: true }, { headers: { 'x-request-id': id } });
    const events = (await response.text()).split('\n\n').filter(Boolean);
    expect(events).toHaveLength(4);
    expect(JSON.parse(events[3]!.slice('data: '.length))).toEqual({
      error: { message: expect.any(String), type: 'server_error', param: null, code: 'stream_broken' },
    });
    expect(both.engine.seen).toHaveLength(1);
    expect(await both.gateway.auditOf(id)).toMatchObject({ outcome: 'cut', attempts: 1, status: 200 });
  });

  it('passes each event on at once', async () => {
    both.engine.next(stream(20, 20));
    const response = await both.gateway.post({ ...hello, stream: true });
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const arrivals: number[] = [];
    for await (const _ of response.body!) arrivals.push(performance.now());
    expect(arrivals.length).toBeGreaterThanOrEqual(20);
    expect(arrivals.at(-1)! - arrivals[0]!).toBeGreaterThan(350);
  });

  it('sends the head of a stream on before its first event', async () => {
    both.engine.next(stream(1, 5, 500));
    const started = performance.now();
    const response = await both.gateway.post({ ...hello, stream: true });
    expect(performance.now() - started).toBeLessThan(300);
    await response.text();
  });

  it.each([
    ['while it streams', true, stream(1000, 20)],
    ['while it waits for the head', false, hang],
    ['while it waits for the first event', true, stream(1, 5, 5000)],
  ])('a caller that leaves %s frees the engine at once', async (_, streaming, behaviour) => {
    both.engine.next(behaviour);
    const stop = new AbortController();
    const id = `abort-${Math.random()}`;
    const asked = both.gateway
      .post({ ...hello, stream: streaming }, { headers: { 'x-request-id': id }, signal: stop.signal })
      .then((response) => response.text());
    await until('the engine is asked', () => both.engine.seen[0]);
    await sleep(50);
    const left = performance.now();
    stop.abort();
    await expect(asked).rejects.toThrow();
    const freed = await until('the engine is freed', () => both.engine.seen[0]!.abortedAt);
    expect(freed - left).toBeLessThan(100);
    expect(await both.gateway.auditOf(id)).toMatchObject({ outcome: 'cut' });
  });

  it('gives the load back after every kind of end', async () => {
    for (const behaviour of [half, reset, status(502), status(500), stream(2)]) {
      both.engine.next(behaviour);
      await both.gateway
        .post({ ...hello, stream: true })
        .then((response) => response.text())
        .catch(() => {});
    }
    const { host, port, key } = both.gateway.admin;
    const state = await until('the load is gone', async () => {
      const response = await fetch(`http://${host}:${port}/state`, { headers: { authorization: `Bearer ${key}` } });
      const told = (await response.json()) as { models: { versions: { peers: { load: number }[] }[] }[] };
      return told.models[0]!.versions[0]!.peers[0]!.load === 0 ? told : undefined;
    });
    expect(state).toMatchObject({ revision: 1 });
  });
});
