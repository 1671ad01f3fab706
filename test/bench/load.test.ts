import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type LoadPlan, load } from '../../src/bench/load.js';
import { closed } from '../../src/bench/pace.js';
import { lastChunk, type Sample } from '../../src/bench/record.js';
import { systemClock } from '../../src/hosts/clock.js';
import { http } from '../../src/hosts/http.js';
import { answerWith, chunk, done, event, type Handler, openStream, serve, type TestServer, usage } from './server.js';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

interface Run {
  readonly samples: readonly Sample[];
  readonly why: string;
}

async function run(handler: Handler, plan: Partial<LoadPlan> = {}, stop = new AbortController()): Promise<Run> {
  server = await serve(handler);
  const samples: Sample[] = [];
  const whole: LoadPlan = {
    pacer: closed({ concurrency: 1, requests: 1 }),
    url: `${server.url}/chat/completions`,
    headers: { 'content-type': 'application/json', authorization: 'Bearer k' },
    body: (n) => JSON.stringify({ n }),
    timeoutMs: 20_000,
    ...plan,
  };
  const end = await load({ http: http({}), clock: systemClock }, whole, (sample) => samples.push(sample), stop.signal);
  return { samples, why: end.why };
}

const many = (concurrency: number, requests: number) => ({ pacer: closed({ concurrency, requests }) });

describe('good answers', () => {
  it('become samples: tokens by usage, one chunk an event with text, times in their order', async () => {
    const { samples, why } = await run((_, response) => answerWith(response, ['a', 'b c', 'd'], 11));
    expect(why).toBe('done');
    expect(samples).toHaveLength(1);
    const [one] = samples;
    expect(one).toMatchObject({ kind: 'request', n: 0, status: 200, prompt: 11, tokens: 3, finish: 'stop' });
    expect(one!.failure).toBeUndefined();
    expect(one!.chunks).toHaveLength(3);
    const times = [0, one!.sent!, one!.head!, one!.chunks[0]! / 1000, lastChunk(one!)!, one!.end];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(server!.asked[0]).toMatchObject({ path: '/v1/chat/completions', body: '{"n":0}' });
    expect(server!.asked[0]!.headers.authorization).toBe('Bearer k');
  });

  it('never more at once than asked for, all of them sent, connections kept', async () => {
    const first: ServerResponse[] = [];
    const { samples } = await run(
      (_, response, n) => {
        if (n >= 4) return answerWith(response, ['a']);
        first.push(response);
        // Nothing is answered before as many wait as may be in flight.
        if (first.length === 4) for (const one of first) answerWith(one, ['a']);
      },
      many(4, 40),
    );
    expect(samples.map(({ n }) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n));
    expect(samples.every(({ failure, tokens }) => !failure && tokens === 1)).toBe(true);
    expect(server!.peak()).toBe(4);
    expect(server!.connections()).toBe(4);
  });

  it('are numbered and marked as the plan says', async () => {
    const { samples } = await run((_, response) => answerWith(response, ['a']), { first: 7, warm: true, epoch: 0 });
    expect(samples[0]).toMatchObject({ n: 7, warm: true });
    expect(samples[0]!.at).toBeGreaterThan(0);
  });

  it('stamp each event when it comes, not when the stream ends', async () => {
    let waiting: ServerResponse | undefined;
    const { samples } = await run(async (_, response) => {
      waiting = response;
      openStream(response);
      response.write(chunk({ content: 'a' }));
      await systemClock.sleep(60);
      waiting.end(chunk({ content: 'b' }, 'length') + usage(1, 2) + done);
    });
    // 60 ms lie between the two events; a late reader would put them together.
    expect(samples[0]!.chunks[1]!).toBeGreaterThan(30_000);
  });

  it('say in what order they ended', async () => {
    const held: ServerResponse[] = [];
    const { samples } = await run(
      (_, response) => {
        held.push(response);
        if (held.length === 3) for (const one of held.reverse()) answerWith(one, ['a']);
      },
      many(3, 3),
    );
    expect(samples).toHaveLength(3);
    expect(samples.map(({ at, end }) => at + end)).toEqual(
      samples.map(({ at, end }) => at + end).sort((a, b) => a - b),
    );
  });
});

describe('failures by cause', () => {
  const refused = (status: number, body: string) => (_: unknown, response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(body);

  it.each<[string, Handler, object]>([
    ['http.500', refused(500, '{"error":{"message":"out of memory"}}'), { detail: 'out of memory' }],
    ['http.429', refused(429, 'slow down'), { detail: 'slow down' }],
    ['http.404', refused(404, '{"detail":"Not Found"}'), { detail: '{"detail":"Not Found"}' }],
    ['not_sse', refused(200, '{"choices":[]}'), { detail: '{"choices":[]}' }],
    [
      'error_event',
      (_, response) => {
        openStream(response);
        response.end(chunk({ content: 'a' }) + event({ error: { message: 'engine died' } }));
      },
      { detail: 'engine died' },
    ],
    [
      'truncated',
      (_, response) => {
        openStream(response);
        response.end(chunk({ content: 'a' }));
      },
      {},
    ],
    [
      'reset',
      (_, response) => {
        openStream(response);
        response.write(chunk({ content: 'a' }), () => response.socket!.resetAndDestroy());
      },
      {},
    ],
    ['reset', (_, response) => void response.socket!.destroy(), {}],
  ])('%s', async (cause, handler, detail) => {
    const { samples } = await run(handler);
    expect(samples).toHaveLength(1);
    expect(samples[0]!.failure).toMatchObject({ cause, ...detail });
    expect(samples[0]!.cut).toBeUndefined();
  });

  it('timeout: an answer that never comes, one that hangs in the middle; a good one beside them is not touched', async () => {
    const { samples } = await run(
      (_, response, n) => {
        if (n === 2) answerWith(response, ['a']);
        else if (n === 1) {
          openStream(response);
          response.write(chunk({ content: 'a' }));
        }
      },
      { ...many(3, 3), timeoutMs: 300 },
    );
    const causes = samples.map(({ n, failure }) => [n, failure?.cause]).sort();
    expect(causes).toEqual([
      [0, 'timeout'],
      [1, 'timeout'],
      [2, undefined],
    ]);
    for (const { failure, end } of samples) if (failure) expect(end).toBeGreaterThanOrEqual(300);
  });

  it('connect: nobody listens', async () => {
    const closedServer = await serve(() => {});
    await closedServer.close();
    const { samples } = await run(() => {}, { url: `${closedServer.url}/chat/completions`, ...many(2, 4) });
    expect(samples.map(({ failure }) => failure?.cause)).toEqual(['connect', 'connect', 'connect', 'connect']);
    expect(samples[0]!.sent).toBeUndefined();
  });

  it('what breaks after [DONE] took nothing away', async () => {
    const { samples } = await run((_, response) => {
      openStream(response);
      const all = chunk({ content: 'a' }, 'stop') + usage(1, 1) + done;
      response.write(all, () => setTimeout(() => response.socket!.destroy(), 30));
    });
    expect(samples[0]!.failure).toBeUndefined();
    expect(samples[0]!.tokens).toBe(1);
  });

  it('an answer without usage is good, its tokens unknown', async () => {
    const { samples } = await run((_, response) => {
      openStream(response);
      response.end(chunk({ content: 'a' }) + chunk({ content: 'b' }, 'stop') + done);
    });
    expect(samples[0]!.failure).toBeUndefined();
    expect(samples[0]).not.toHaveProperty('tokens');
    expect(samples[0]!.chunks).toHaveLength(2);
  });

  it('too many in a row end the run; a good one in between does not', async () => {
    const bad = (response: ServerResponse) => void response.writeHead(500).end();
    const pacer = closed({ concurrency: 1, requests: 1000, giveUpAfter: 5 });
    const always = await run((_, response) => bad(response), { pacer });
    expect(always.why).toBe('gave_up');
    expect(always.samples).toHaveLength(5);
    await server!.close();
    const often = await run((_, response, n) => (n % 4 === 3 ? answerWith(response, ['a']) : bad(response)), {
      pacer: closed({ concurrency: 1, requests: 20, giveUpAfter: 5 }),
    });
    expect(often.why).toBe('done');
    expect(often.samples).toHaveLength(20);
  });
});

describe('the end', () => {
  it('by Ctrl-C: what was over counts, what was in flight is cut and its connection closed', async () => {
    const stop = new AbortController();
    const closedOnes: number[] = [];
    const { samples, why } = await run(
      (_, response, n) => {
        if (n < 2) {
          answerWith(response, ['a']);
          return;
        }
        openStream(response);
        response.write(chunk({ content: 'a' }));
        response.on('close', () => closedOnes.push(n));
        if (n === 3) setTimeout(() => stop.abort(), 50);
      },
      many(2, 100),
      stop,
    );
    expect(why).toBe('interrupted');
    expect(samples.map(({ n, cut, failure }) => [n, cut, failure]).sort()).toEqual([
      [0, undefined, undefined],
      [1, undefined, undefined],
      [2, true, undefined],
      [3, true, undefined],
    ]);
    for (let tries = 0; closedOnes.length < 2 && tries < 100; tries += 1) await systemClock.sleep(20);
    expect(closedOnes.sort()).toEqual([2, 3]);
  });

  it('by Ctrl-C before anything was sent', async () => {
    const stop = new AbortController();
    stop.abort();
    const { samples, why } = await run(() => {}, many(2, 10), stop);
    expect([samples, why]).toEqual([[], 'interrupted']);
    expect(server!.asked).toEqual([]);
  });

  it('by time: what was sent before runs to its end', async () => {
    const { samples, why } = await run(
      async (_, response) => {
        await systemClock.sleep(200);
        answerWith(response, ['a']);
      },
      { pacer: closed({ concurrency: 2, durationMs: 100 }) },
    );
    expect(why).toBe('done');
    expect(samples.map(({ n, failure, cut }) => [n, failure, cut]).sort()).toEqual([
      [0, undefined, undefined],
      [1, undefined, undefined],
    ]);
  });
});

it("the client's own lateness is in the end line", async () => {
  server = await serve(async (_, response) => {
    openStream(response);
    await systemClock.sleep(100);
    // The same process is the client here: its loop stands still.
    const until = performance.now() + 150;
    while (performance.now() < until);
    response.end(chunk({ content: 'a' }, 'stop') + done);
  });
  const end = await load(
    { http: http({}), clock: systemClock },
    {
      ...{ pacer: closed({ concurrency: 1, requests: 1 }), url: server.url, headers: {}, body: () => '{}' },
      timeoutMs: 10_000,
    },
    () => {},
    new AbortController().signal,
  );
  expect(end.lag.max).toBeGreaterThan(100);
  expect(end.lag.max).toBeGreaterThanOrEqual(end.lag.p99);
});
