/**
 * Malformed requests over raw sockets, many at a time. `npm run test:fuzz` sends 100,000, half of them to each build
 * of nginx; the tests of every day send fewer. FUZZ is how many for each build, FUZZ_SEED the first seed: a case that
 * failed is told with its own, and FUZZ=1 repeats it.
 */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getMetrics } from '../../src/gateway/admin.js';
import { cacheOptions } from '../../src/gateway/cache.js';
import { limitOptions, validationOptions } from '../../src/gateway/limits.js';
import { systemHttp } from '../../src/hosts/http.js';
import type { BuildName } from './builds.js';
import { answer, type Seen, startEngine, status, stream, type TestEngine } from './engine.js';
import { caseOf, smuggled } from './fuzz-http.js';
import { apiKey, type Gateway, secrets, startGateway } from './harness.js';
import { clientSecret, oauthSettings } from './oauth-client.js';

const count = Number(process.env.FUZZ ?? 3000);
const firstSeed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const atOnce = 64;
/** So long without a byte, in ms, and a connection is closed: half a request waits for its rest; and after an answer. */
const silence = { before: 150, after: 25 };

/** nginx's own for what the caller asks and no HTTP/1.1 server has: an unknown transfer coding, another version. */
const rightly = new Set([501, 505]);

/** Sends it and reads until the gateway closes or falls silent. */
function send(port: number, bytes: Buffer): Promise<string> {
  return new Promise((done) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.setTimeout(silence.before, () => socket.destroy());
    socket.on('data', (data) => {
      text += data.toString('latin1');
      socket.setTimeout(silence.after);
    });
    socket.on('error', () => {});
    socket.on('close', () => done(text));
  });
}

const statuses = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, code]) => Number(code));

const headersAnEngineSees = new Set([
  ...['host', 'connection', 'content-length', 'content-type', 'accept', 'authorization', 'x-request-id'],
  ...['traceparent', 'tracestate'],
]);

/** Undefined for what is no JSON: the gateway looks into the values it needs, and the engine into the rest. */
function modelOf(body: string): unknown {
  try {
    return (JSON.parse(body) as { model?: unknown }).model ?? null;
  } catch {
    return undefined;
  }
}

/** What is wrong with a request that reached the engine. */
function flaw({ method, url, headers, body }: Seen): string | undefined {
  if (method !== 'POST' || !/^\/v1\/(chat\/completions|completions|embeddings)$/.test(url)) return `${method} ${url}`;
  if (headers.authorization !== `Bearer ${secrets.engineKey}`) return `authorization ${headers.authorization}`;
  const other = Object.keys(headers).find((name) => !headersAnEngineSees.has(name));
  if (other) return `header ${other}`;
  if (!/^[\w.%-]{1,64}$/.test(String(headers['x-request-id']))) return `id ${headers['x-request-id']}`;
  if (JSON.stringify(headers).includes(apiKey) || body.includes(apiKey)) return 'the key of a caller';
  const model = modelOf(body);
  return model === undefined || model === 'm' || model === 'n' ? undefined : `model ${JSON.stringify(model)}`;
}

describe.each<BuildName>(['debian', 'current'])(
  `${count} malformed requests from seed ${firstSeed} (%s nginx)`,
  (nginx) => {
    let engine: TestEngine;
    let gateway: Gateway;
    const asked = new Map<string, number>();
    const flaws: string[] = [];

    beforeAll(async () => {
      engine = await startEngine((seen, response, socket) => {
        const id = String(seen.headers['x-request-id']);
        asked.set(id, (asked.get(id) ?? 0) + 1);
        const found = flaw(seen);
        if (found) flaws.push(`${found} ${JSON.stringify(seen).slice(0, 500)}`);
        engine.seen.length = 0;
        if (modelOf(seen.body) === undefined) return status(400)(seen, response, socket);
        return (seen.body.includes('"stream":true') ? stream(2, 1) : answer)(seen, response, socket);
      });
      const settings = {
        ...oauthSettings([engine.peer]),
        cache: cacheOptions(),
        limits: limitOptions({ key: { requestsPerMinute: 1e9, concurrent: 1e6 }, perEngine: 1e6 }),
        validation: validationOptions(),
      };
      gateway = await startGateway(settings, { nginx, workers: 2 });
    }, 120_000);
    afterAll(async () => {
      await gateway?.stop();
      await engine?.stop();
    });

    const workers = async () => (await readFile(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8')).trim();

    it('no crash, no fault that is ours, nothing at the engine that should not be there, no secret in any log', async () => {
      const before = await workers();
      const port = Number(new URL(gateway.url).port);
      const kinds: Record<string, number> = {};
      const codes: Record<number, number> = {};
      const ours: string[] = [];
      const started = performance.now();
      let next = firstSeed;
      const one = async () => {
        while (next < firstSeed + count) {
          const seed = next;
          next += 1;
          const { kind, bytes } = caseOf(seed);
          kinds[kind] = (kinds[kind] ?? 0) + 1;
          for (const code of statuses(await send(port, bytes))) {
            codes[code] = (codes[code] ?? 0) + 1;
            if (code >= 500 && !rightly.has(code)) {
              ours.push(`seed ${seed}, ${kind}: ${code} to ${JSON.stringify(bytes.toString('latin1').slice(0, 300))}`);
            }
          }
        }
      };
      await Promise.all(Array.from({ length: atOnce }, one));
      const seconds = (performance.now() - started) / 1000;
      console.log(
        `${nginx}: ${count} in ${seconds.toFixed(1)} s; statuses ${JSON.stringify(codes)}; kinds ${JSON.stringify(kinds)}; the engine was asked ${asked.size} times`,
      );

      expect(ours.slice(0, 5)).toEqual([]);
      expect(flaws.slice(0, 5)).toEqual([]);
      expect(await workers()).toBe(before);
      expect(
        gateway
          .log()
          .match(/.*(\[alert\]|\[emerg\]|\[crit\]|runtime error|failed to run|exited on signal|stack traceback).*/g) ??
          [],
      ).toEqual([]);
      const response = await gateway.post(
        { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
        { headers: { 'x-request-id': 'the-last' } },
      );
      expect(response.status).toBe(200);
      await gateway.auditOf('the-last');

      const audit = await gateway.audit();
      // A caller that hung up may have taken its request along before the engine had read it; there is no other difference.
      const unbalanced = audit.filter(({ id, attempts, outcome }) => {
        const there = asked.get(String(id)) ?? 0;
        asked.delete(String(id));
        return there !== Number(attempts) && !(outcome === 'cut' && there < Number(attempts));
      });
      expect(unbalanced.slice(0, 5)).toEqual([]);
      expect([...asked.keys()]).toEqual([]);
      const metrics = await (await systemHttp.request(getMetrics(gateway.admin))).text();
      const files = { log: gateway.log(), metrics, audit: JSON.stringify(audit) };
      for (const secret of [
        apiKey,
        clientSecret,
        ...Object.values(secrets).filter((value) => typeof value === 'string'),
      ]) {
        for (const [name, text] of Object.entries(files))
          expect(text.includes(secret), `${secret} in ${name}`).toBe(false);
      }
      expect(files.audit).not.toContain(smuggled);
      // Labels come from code: what callers wrote makes no series of its own.
      expect(metrics.split('\n').length).toBeLessThan(1000);
    }, 900_000);
  },
);
