/** Callers that send too slowly are let go, each with its word, and nobody waits behind them. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { type Both, onBoth } from './both.js';
import { sleep } from './engine.js';
import { apiKey } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

interface Let {
  readonly heard: string;
  readonly ms: number;
}

/** Sends the pieces, one each second, until the other side closes. */
function slowly({ gateway }: Both, first: string, piece: string): Promise<Let> {
  const began = performance.now();
  return new Promise((done) => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1', () => socket.write(first));
    const timer = setInterval(() => socket.write(piece), 1000);
    let heard = '';
    socket.on('data', (data) => {
      heard += data;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      done({ heard, ms: performance.now() - began });
    });
  });
}

const line = 'POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n';
const head = (id: string) =>
  `${line}X-Request-Id: ${id}\r\nAuthorization: Bearer ${apiKey}\r\nContent-Length: 100000\r\n\r\n{"model":`;

onBoth('slow callers', {}, (both) => {
  it('are let go, whether their head or their body is slow, and hold up nobody', async () => {
    const heads = Array.from({ length: 100 }, () => slowly(both, line, 'X-A: b\r\n'));
    const stalled = Array.from({ length: 100 }, (_, i) => slowly(both, head(`stalled-${i}`), ''));
    await sleep(1000);
    for (let i = 0; i < 20; i += 1) {
      const sent = performance.now();
      expect((await (await both.gateway.post(hello)).text()).length).toBeGreaterThan(10);
      expect(performance.now() - sent).toBeLessThan(1000);
    }
    // A head has 10 s in all, however it trickles; a body 15 s from piece to piece.
    for (const { heard, ms } of await Promise.all(heads)) {
      expect(heard).toMatch(/^$|^HTTP\/1\.1 408 /);
      expect(ms).toBeLessThan(14_000);
    }
    for (const { heard, ms } of await Promise.all(stalled)) {
      expect(heard).toMatch(/^$|^HTTP\/1\.1 408 /);
      expect(ms).toBeLessThan(20_000);
    }
    expect(await both.gateway.auditOf('stalled-7')).toMatchObject({ status: 408, attempts: 0 });
    expect(both.engine.seen).toHaveLength(20);
  }, 60_000);
});
