/** Pages of other origins: off unless the settings name them, and never with credentials. */
import { expect, it } from 'vitest';
import { corsOptions } from '../../src/gateway/cors.js';
import type { Peer } from '../../src/gateway/settings.js';
import { onBoth } from './both.js';
import { answer, reset, stream } from './engine.js';
import { testSettings } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const origin = 'https://app.example.com';
const asks = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };

const named = (peers: readonly Peer[]) => testSettings(peers, { cors: corsOptions([origin, 'http://localhost:3000']) });

onBoth('CORS for named origins', { settings: named }, (both) => {
  const preflight = (path: string, headers: Record<string, string>) =>
    fetch(both.gateway.url + path, { method: 'OPTIONS', headers });

  it.each(['/v1/chat/completions', '/v1/models', '/beta/completions', '/v1/text/generate'])(
    'answers what a browser asks first of %s, without a key and without an engine',
    async (path) => {
      const response = await preflight(path, asks);
      expect(response.status).toBe(204);
      expect(await response.text()).toBe('');
      const { headers } = response;
      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-allow-methods')).toContain('POST');
      expect(headers.get('access-control-allow-headers')?.toLowerCase()).toContain('authorization');
      expect(headers.get('access-control-max-age')).toBe('600');
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      expect(headers.get('vary')).toBe('Origin');
      expect(both.engine.seen).toHaveLength(0);
    },
  );

  it('lets the page read answers, streams, refusals and failures', async () => {
    const post = (body: unknown, more = {}) => both.gateway.post(body, { headers: { origin, ...more } });
    both.engine.next(answer, stream(1), reset, reset);
    const all = [
      [await post(hello), 200],
      [await post({ ...hello, stream: true }), 200],
      [await post(hello), 502],
      [await post({}), 400],
      [await post(hello, { authorization: 'Bearer none' }), 401],
    ] as const;
    for (const [response, status] of all) {
      expect(response.status).toBe(status);
      expect(response.headers.get('access-control-allow-origin')).toBe(origin);
      expect(response.headers.get('access-control-expose-headers')).toContain('X-Request-Id');
      await response.text();
    }
  });

  it.each(['https://evil.example.com', `${origin}.evil.com`, 'null', 'https://APP.example.com'])(
    'says nothing of it to %s',
    async (other) => {
      const response = await preflight('/v1/chat/completions', { ...asks, origin: other });
      expect(response.status).toBe(405);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      const posted = await both.gateway.post(hello, { headers: { origin: other } });
      expect(posted.headers.get('access-control-allow-origin')).toBeNull();
      await posted.text();
    },
  );

  it('is on record as complete', async () => {
    const response = await preflight('/v1/chat/completions', { ...asks, 'x-request-id': 'asked-first' });
    expect(response.status).toBe(204);
    expect(await both.gateway.auditOf('asked-first')).toMatchObject({ status: 204, outcome: 'complete', attempts: 0 });
  });

  it('refuses settings whose origins are none', async () => {
    for (const bad of ['example.com', 'https://a.b/path', '']) {
      const put = await both.gateway.put({ ...named([both.engine.peer]), cors: corsOptions([bad]), revision: 9 });
      expect(put.status, await put.text()).toBe(400);
    }
  });

  it('can be for all', async () => {
    const put = await both.gateway.put({ ...named([both.engine.peer]), cors: corsOptions(['*']), revision: 10 });
    expect(put.status).toBe(200);
    const response = await both.gateway.post(hello, { headers: { origin: 'https://any.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    await response.text();
  });
});

onBoth('CORS when it is off', {}, (both) => {
  it('is nothing at all, whatever the engine says', async () => {
    both.engine.next((request, response, socket) => {
      response.setHeader('access-control-allow-origin', '*');
      return answer(request, response, socket);
    });
    const response = await both.gateway.post(hello, { headers: { origin } });
    expect(response.status).toBe(200);
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control') || name === 'vary')).toEqual(
      [],
    );
    await response.text();
    const first = await fetch(`${both.gateway.url}/v1/chat/completions`, { method: 'OPTIONS', headers: asks });
    expect(first.status).toBe(405);
  });
});
