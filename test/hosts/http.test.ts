import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { http } from '../../src/hosts/http.js';
import type { HttpRequest, StreamHandler } from '../../src/world.js';
import { serve, type TestServer } from '../bench/server.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function served(...handler: Parameters<typeof serve>): Promise<TestServer> {
  const server = await serve(...handler);
  open.push(server);
  return server;
}

/** A bare socket: what it says is up to the test, down to the byte. */
async function raw(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const { request, stream } = http({});

describe('one request', () => {
  it('carries method, headers and body, and answers with status, headers and text', async () => {
    const server = await served((_, response) => {
      response.writeHead(418, { 'X-One': 'a', 'set-cookie': ['b=1', 'c=2'] }).end('grüße');
    });
    const answer = await request({
      ...{ method: 'POST', url: `${server.url}/x?y=1`, headers: { authorization: 'Bearer k' }, body: '{"ü":1}' },
    });
    expect(answer.status).toBe(418);
    expect(answer.headers).toMatchObject({ 'x-one': 'a', 'set-cookie': 'b=1, c=2' });
    expect(await answer.text()).toBe('grüße');
    expect(server.asked).toEqual([expect.objectContaining({ path: '/v1/x?y=1', body: '{"ü":1}' })]);
    expect(server.asked[0]!.headers).toMatchObject({ authorization: 'Bearer k', 'user-agent': 'deepseek-deploy' });
  });

  it('takes a redirect for an answer', async () => {
    const server = await served((_, response) => void response.writeHead(302, { location: '/other' }).end());
    const answer = await request({ url: server.url });
    expect([answer.status, answer.headers.location]).toEqual([302, '/other']);
    expect(server.asked).toHaveLength(1);
  });

  it('hands over the body as it comes', async () => {
    let more: () => void = () => {};
    const server = await served((_, response) => {
      response.write('first');
      more = () => response.end('second');
    });
    const { body } = await request({ url: server.url });
    const seen: string[] = [];
    for await (const part of body) {
      seen.push(Buffer.from(part).toString());
      more();
    }
    expect(seen).toEqual(['first', 'second']);
  });

  it.each([
    ['refused', closedPort, {}, 'ECONNREFUSED'],
    ['no headers in time', () => raw(() => {}), { timeoutMs: 100 }, 'ETIMEDOUT'],
    ['closed before the headers', () => raw((socket) => socket.once('data', () => socket.destroy())), {}, 'ECONNRESET'],
  ])('rejects: %s', async (_, where, more, code) => {
    await expect(request({ url: await where(), ...more })).rejects.toMatchObject({ code });
  });

  it('has as long as it wants for its body once the headers are there', async () => {
    const server = await served((_, response) => {
      response.write('a');
      setTimeout(() => response.end('b'), 300);
    });
    const answer = await request({ url: server.url, timeoutMs: 100 });
    expect(await answer.text()).toBe('ab');
  });

  it('that is cut off in its body says so', async () => {
    const url = await raw((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'));
    });
    await expect((await request({ url })).text()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('ends with the reason of its signal: before, while it waits, in its body', async () => {
    const before = AbortSignal.abort(new Error('before'));
    await expect(request({ url: 'http://127.0.0.1:1', signal: before })).rejects.toThrow('before');

    const waiting = new AbortController();
    const silent = request({ url: await raw(() => waiting.abort(new Error('while'))), signal: waiting.signal });
    await expect(silent).rejects.toThrow('while');

    const reading = new AbortController();
    const server = await served((_, response) => void response.write('a'));
    const answer = await request({ url: server.url, signal: reading.signal });
    const text = answer.text();
    reading.abort(new Error('in its body'));
    await expect(text).rejects.toThrow('in its body');
  });
});

async function closedPort(): Promise<string> {
  const server = await serve(() => {});
  await server.close();
  return server.url;
}

interface Seen {
  readonly events: string[];
  readonly text: () => string;
  readonly over: Promise<void>;
}

/** Every call in its order; `over` settles with the end, and a second end would be seen in `events`. */
function listen(ask: HttpRequest, via = stream, on: { onFirst?: () => void } = {}): Seen {
  const events: string[] = [];
  let text = '';
  let last = 0;
  const note = (event: string, at: number): void => {
    if (at < last) throw new Error('time went back');
    last = at;
    events.push(event);
  };
  const over = new Promise<void>((resolve) => {
    const handler: StreamHandler = {
      onSent: (at) => note('sent', at),
      onHeaders: (status, _, at) => note(`headers ${status}`, at),
      onData: (part, at) => {
        if (text === '') {
          note('data', at);
          on.onFirst?.();
        }
        text += Buffer.from(part).toString();
      },
      onEnd: (at) => {
        note('end', at);
        resolve();
      },
      onError: (error, at) => {
        note(`error ${error.message}`, at);
        resolve();
      },
    };
    via(ask, handler);
  });
  return { events, text: () => text, over };
}

describe('a stream', () => {
  it('is told in order: sent, headers, data, end', async () => {
    const server = await served((_, response) => void response.end('all of it'));
    const seen = listen({ method: 'POST', url: server.url, body: 'b' });
    await seen.over;
    expect(seen.events).toEqual(['sent', 'headers 200', 'data', 'end']);
    expect(seen.text()).toBe('all of it');
    expect(server.asked[0]!.body).toBe('b');
  });

  it('keeps its connection for the next, also for one that is sent from the end of another', async () => {
    const server = await served((_, response) => void response.end('x'));
    await new Promise<void>((resolve, reject) => {
      let left = 20;
      const next = (): void =>
        stream(
          { url: server.url },
          {
            onHeaders: () => {},
            onData: () => {},
            onEnd: () => {
              left -= 1;
              if (left > 0) next();
              else resolve();
            },
            onError: reject,
          },
        );
      next();
    });
    expect(server.asked).toHaveLength(20);
    expect(server.connections()).toBe(1);
  });

  it('opens as many connections as there are requests at once', async () => {
    const held: (() => void)[] = [];
    const server = await served((_, response) => {
      held.push(() => response.end('x'));
      if (held.length === 5) for (const release of held) release();
    });
    await Promise.all(Array.from({ length: 5 }, () => listen({ url: server.url }).over));
    expect(server.connections()).toBe(5);
  });

  it.each([
    ['refused', closedPort, {}, /ECONNREFUSED/],
    ['closed at once', () => raw((socket) => socket.once('data', () => socket.destroy())), {}, /other side closed/],
    [
      'reset in the middle',
      () =>
        raw((socket) =>
          socket.once('data', () =>
            socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', () => socket.resetAndDestroy()),
          ),
        ),
      {},
      /ECONNRESET|closed/,
    ],
    ['no HTTP at all', () => raw((socket) => socket.once('data', () => socket.end('nonsense\r\n\r\n'))), {}, /HTTP/],
  ])('ends once with an error: %s', async (_, where, more, message) => {
    const seen = listen({ url: await where(), ...more });
    await seen.over;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen.events.filter((event) => event.startsWith('error') || event === 'end')).toHaveLength(1);
    expect(seen.events.at(-1)).toMatch(message);
  });

  it('ends at once with the reason of its signal, and closes the connection', async () => {
    const stop = new AbortController();
    let closed: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const server = await served((_, response) => {
      response.write('a');
      response.on('close', closed);
    });
    const seen = listen({ url: server.url, signal: stop.signal }, stream, {
      onFirst: () => stop.abort(new Error('enough')),
    });
    await seen.over;
    await gone;
    expect(seen.events.at(-1)).toBe('error enough');
    // The connection went; the next request has one that works.
    const next = listen({ url: (await served((_, response) => void response.end('x'))).url });
    await next.over;
    expect(next.events.at(-1)).toBe('end');
  });

  it('that was stopped before it began never asks', async () => {
    const server = await served((_, response) => void response.end());
    const seen = listen({ url: server.url, signal: AbortSignal.abort(new Error('no')) });
    await seen.over;
    expect(seen.events).toEqual(['error no']);
    await listen({ url: server.url }).over;
    expect(server.asked).toHaveLength(1);
  });
});

describe('a proxy of the environment', () => {
  /** Tunnels whatever it is asked for to one server, and keeps a list. */
  async function tunnel(to: string): Promise<{ readonly url: string; readonly asked: string[] }> {
    const asked: string[] = [];
    const url = await raw((socket) => {
      socket.once('data', (head) => {
        asked.push(head.toString().split('\r\n')[0]!);
        const { hostname, port } = new URL(to);
        const other = connect(Number(port), hostname, () => {
          socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
          socket.pipe(other).pipe(socket);
        });
        other.on('error', () => socket.destroy());
      });
    });
    return { url, asked };
  }

  it('carries what goes out, requests and streams, and nothing that stays on this machine', async () => {
    const target = await served((_, response) => void response.end('here'));
    const proxy = await tunnel(target.url);
    const through = http({ http_proxy: proxy.url, NO_PROXY: 'inside.test' });
    expect(await (await through.request({ url: 'http://hub.test/file' })).text()).toBe('here');
    const seen = listen({ url: 'http://hub.test/stream' }, through.stream);
    await seen.over;
    expect(seen.text()).toBe('here');
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT hub.test:80 HTTP/1.1']));
    expect(target.asked.map(({ path }) => path)).toEqual(['/file', '/stream']);
    const before = proxy.asked.length;
    expect(await (await through.request({ url: target.url })).text()).toBe('here');
    await listen({ url: target.url }, through.stream).over;
    await expect(through.request({ url: 'http://inside.test/', timeoutMs: 2000 })).rejects.toThrow();
    expect(proxy.asked).toHaveLength(before);
  });
});
