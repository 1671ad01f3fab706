import { afterEach, describe, expect, it } from 'vitest';
import type { SmokeTarget } from '../../src/checks/api.js';
import { chosen, runSmoke, type SmokeLine, type SmokeReport, smokeChecks } from '../../src/checks/smoke.js';
import { stopIn } from '../../src/checks/smoke-chat.js';
import { patience, runningIn } from '../../src/checks/smoke-load.js';
import { isBuffered, judgeStream } from '../../src/checks/smoke-stream.js';
import { systemClock } from '../../src/hosts/clock.js';
import { http } from '../../src/hosts/http.js';
import type { World } from '../../src/world.js';
import { fakeWorld } from '../world/fake.js';
import { type Body, type Endpoint, endpoint, type Promises, refuse } from './endpoint.js';

let server: Endpoint | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const world = (): World => ({ ...fakeWorld(), http: http({}), clock: systemClock });

async function smoke(
  broken: Partial<Promises> = {},
  target: Partial<SmokeTarget> = {},
  only?: string,
): Promise<SmokeReport> {
  server = await endpoint(broken);
  const whole = { baseUrl: server.url, key: 'sk-good', model: 'm', engineMetricsUrl: server.metricsUrl, ...target };
  return runSmoke(world(), whole, {}, only === undefined ? smokeChecks : chosen([only]));
}

const notOk = ({ checks }: SmokeReport): Pick<SmokeLine, 'id' | 'state'>[] =>
  checks.filter(({ state }) => state !== 'ok').map(({ id, state }) => ({ id, state }));

/** One promise broken, asked by its check alone. */
async function finding(only: string, broken: Partial<Promises>, target: Partial<SmokeTarget> = {}): Promise<SmokeLine> {
  const { checks } = await smoke(broken, target, only);
  expect(checks).toHaveLength(1);
  return checks[0]!;
}

/** The good answer with parts replaced. */
const answering =
  (
    change: (
      answer: { [key: string]: unknown; choices: [{ message: object; finish_reason: string }] },
      body: Body,
    ) => object,
  ) =>
  (body: Body, n: number) => {
    const words = Array.from({ length: Math.min(body.max_tokens ?? 16, 16) }, () => 'word').join(' ');
    const tokens = words.split(' ').length;
    const good = {
      ...{ id: `c-${n}`, object: 'chat.completion', created: 1, model: 'm' },
      choices: [{ message: { role: 'assistant', content: words }, finish_reason: 'length' }] as [
        { message: object; finish_reason: string },
      ],
      usage: { prompt_tokens: 1, completion_tokens: tokens, total_tokens: 1 + tokens },
    };
    return { status: 200, body: change(good, body) };
  };

describe('an endpoint that keeps its promises', () => {
  it('passes every check', async () => {
    const report = await smoke();
    expect(notOk(report)).toEqual([]);
    expect(report).toMatchObject({
      passed: true,
      counts: { ok: smokeChecks.length, failed: 0, warned: 0, skipped: 0 },
    });
    expect(report.checks.map(({ id }) => id)).toEqual(smokeChecks.map(({ id }) => id));
  });

  it('without keys, metrics and /health: what cannot be asked is skipped, not failed', async () => {
    const report = await smoke({ key: undefined, health: 404 }, { key: undefined, engineMetricsUrl: undefined });
    expect(report.passed).toBe(true);
    expect(notOk(report)).toEqual(
      ['reach.health', 'error.no_key', 'error.bad_key', 'load.cancel'].map((id) => ({ id, state: 'skipped' })),
    );
  });

  it('whose model thinks first passes, with nothing in its content', async () => {
    const answer = answering((good) => ({
      ...good,
      choices: [{ message: { role: 'assistant', content: null, reasoning_content: 'hm' }, finish_reason: 'length' }],
    }));
    const report = await smoke({ answer });
    expect(report.passed).toBe(true);
    expect(notOk(report).map(({ id }) => id)).toEqual(['chat.stop', 'chat.json']);
  });

  it('whose model writes nothing at all passes', async () => {
    const answer = answering((good) => ({
      ...good,
      choices: [{ message: { role: 'assistant', content: '' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    }));
    const events = () => [
      { id: 'c', object: 'chat.completion.chunk', choices: [{ delta: { role: 'assistant' }, finish_reason: null }] },
      { id: 'c', object: 'chat.completion.chunk', choices: [{ delta: {}, finish_reason: 'stop' }] },
      {
        ...{ id: 'c', object: 'chat.completion.chunk', choices: [] },
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      },
      '[DONE]',
    ];
    const report = await smoke({ answer, events });
    expect(report.counts.failed).toBe(0);
  });
});

describe('a broken promise is found', () => {
  it.each<[string, string, Partial<Promises>, string]>([
    ['reach.health', 'not ready', { health: 503 }, 'answered 503'],
    [
      'reach.models',
      'another model',
      { models: () => ({ object: 'list', data: [{ id: 'x', object: 'model' }] }) },
      'm is not among x',
    ],
    ['reach.models', 'no list', { models: () => ({ data: [{ id: 'm', object: 'model' }] }) }, 'no list'],
    ['chat.plain', 'no id', { answer: answering(({ id, ...good }) => good) }, 'no id'],
    ['chat.plain', 'wrong object', { answer: answering((good) => ({ ...good, object: 'text' })) }, 'object is text'],
    [
      'chat.plain',
      'usage',
      {
        answer: answering((good) => ({ ...good, usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 4 } })),
      },
      'does not add up',
    ],
    ['chat.plain', 'no choices', { answer: answering((good) => ({ ...good, choices: [] })) }, 'no finish_reason'],
    ['chat.plain', 'no JSON object', { answer: answering(() => []) }, 'no id'],
    [
      'chat.plain',
      'an error',
      { answer: () => ({ status: 500, body: { error: { message: 'out of memory' } } }) },
      'answered 500: out of memory',
    ],
    [
      'chat.max_tokens',
      'too much',
      {
        answer: answering((good) => ({ ...good, usage: { prompt_tokens: 1, completion_tokens: 9, total_tokens: 10 } })),
      },
      '3 tokens were asked for, 9 came',
    ],
    ['chat.stop', 'ignored', { answer: answering((good) => good) }, '"wor" was asked to stop at'],
    [
      'chat.json',
      'prose',
      {
        answer: answering((good) => ({
          ...good,
          choices: [{ message: { content: 'Sure! {}' }, finish_reason: 'stop' }],
        })),
      },
      'no JSON: Sure! {}',
    ],
    ['stream.whole', 'JSON instead', { streamType: 'application/json' }, 'content type is application/json'],
    ['stream.flows', 'a buffer on the way', { buffered: true }, 'came at once'],
    ['error.no_key', 'open to all', { key: undefined }, 'anybody may ask'],
    ['error.bad_key', 'open to all', { key: undefined }, 'anybody may ask'],
    ['error.json', 'a crash', { badJson: 500 }, 'answered 500'],
    [
      'error.route',
      'a page for everything',
      { unknownRoute: (response) => void response.end('<html>') },
      'answered 200',
    ],
    ['load.parallel', 'one id for all', { answer: answering((good) => ({ ...good, id: 'same' })) }, 'the same id'],
    [
      'load.parallel',
      'one fails',
      { answer: (_, n) => (n === 5 ? { status: 502, body: {} } : answering((good) => good)({}, n)) },
      'answered 502',
    ],
    ['load.cancel', 'goes on for nobody', { deaf: true }, 'still works on its answer'],
  ])('%s: %s', async (id, _, broken, says) => {
    const found = await finding(id, broken);
    expect(found.state).toBe('failed');
    expect(found.says).toContain(says);
  });
});

describe("a server's own choice is only told", () => {
  it.each<[string, Partial<Promises>]>([
    ['error.model', { unknownModel: 400 }],
    ['error.json', { badJson: 422 }],
    ['error.route', { unknownRoute: (response) => void response.writeHead(404).end('not here') }],
    ['load.parallel', { answer: () => ({ status: 429, body: { error: { message: 'slow down' } } }) }],
    [
      'chat.max_tokens',
      {
        answer: answering((good) => ({
          ...good,
          choices: [{ message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }],
        })),
      },
    ],
  ])('%s', async (id, broken) => {
    expect((await finding(id, broken)).state).toBe('warned');
  });

  it.each(['chat.json', 'chat.stop'])('%s that is refused is skipped', async (id) => {
    const answer = (body: Body, n: number) =>
      body.response_format || body.stop
        ? { status: 400, body: { error: { message: 'not here' } } }
        : answering((good) => good)(body, n);
    expect(await finding(id, { answer })).toMatchObject({ state: 'skipped', says: 'the server refuses it' });
  });

  it('JSON that max_tokens cuts is JSON as far as it goes', async () => {
    const cut = answering((good) => ({
      ...good,
      choices: [{ message: { content: ' {"a":"' }, finish_reason: 'length' }],
    }));
    expect((await finding('chat.json', { answer: cut })).state).toBe('ok');
    const prose = answering((good) => ({
      ...good,
      choices: [{ message: { content: 'Sure' }, finish_reason: 'length' }],
    }));
    expect((await finding('chat.json', { answer: prose })).state).toBe('failed');
  });

  it('an engine that is at work for others cannot be judged', async () => {
    const other = await endpoint({});
    const busy = { ...other, url: `${other.url}` };
    try {
      const waiting = http({}).request({
        ...{ method: 'POST', url: `${busy.url}/chat/completions`, headers: { authorization: 'Bearer sk-good' } },
        body: JSON.stringify({ model: 'm', stream: true, max_tokens: 2000 }),
      });
      const { body } = await waiting;
      expect(await finding('load.cancel', {}, { engineMetricsUrl: other.metricsUrl })).toMatchObject({
        state: 'skipped',
      });
      for await (const _ of body) break;
    } finally {
      await other.close();
    }
  });
});

describe('the judge of a stream', () => {
  const chunk = (delta: object, finish: string | null = null, id = 'c') =>
    JSON.stringify({ id, object: 'chat.completion.chunk', choices: [{ delta, finish_reason: finish }] });
  const usage = JSON.stringify({
    ...{ id: 'c', object: 'chat.completion.chunk', choices: [] },
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });
  const role = chunk({ role: 'assistant' });
  const good = [role, chunk({ content: 'a' }), chunk({}, 'stop'), usage, '[DONE]'];
  const found = (events: readonly string[]): string => {
    const verdict = judgeStream(events);
    return verdict.state === 'problem' ? verdict.found.en : verdict.state;
  };

  it.each<[string, readonly string[], string]>([
    ['all well', good, 'ok'],
    ['the role beside the first content', [chunk({ role: 'assistant', content: 'a' }, 'stop'), usage, '[DONE]'], 'ok'],
    ['no end', good.slice(0, -1), '[DONE] is not the last event'],
    [
      'something after the end',
      [...good, role],
      '[DONE] is not the last event; there are 2 different ids; an event is no chat.completion.chunk',
    ],
    ['no role', good.slice(1), 'the first delta has no role'],
    ['two ids', [role, chunk({}, 'stop', 'other'), usage, '[DONE]'], 'there are 2 different ids'],
    ['two ends', [role, chunk({}, 'stop'), chunk({}, 'stop'), usage, '[DONE]'], 'finish_reason came 2 times'],
    ['no usage', [role, chunk({}, 'stop'), '[DONE]'], 'no usage, although it was asked for'],
    [
      'an error event',
      [
        role,
        '{"id":"c","object":"chat.completion.chunk","error":{"message":"died"}}',
        chunk({}, 'stop'),
        usage,
        '[DONE]',
      ],
      'an error event: {"message":"died"}',
    ],
    [
      'no JSON',
      [role, 'what?', chunk({}, 'stop'), usage, '[DONE]'],
      'there are 2 different ids; an event is no chat.completion.chunk',
    ],
  ])('%s', (_, events, wanted) => {
    expect(found(events)).toBe(wanted);
  });

  it('of nothing finds everything', () => {
    expect(found([])).toContain('[DONE] is not the last event; the first delta has no role');
  });
});

const burst = (from: number, count: number): number[] => Array.from({ length: count }, (_, at) => from + at * 0.01);

it.each<[string, number[], number, boolean]>([
  ['one by one, slowly', Array.from({ length: 20 }, (_, at) => at * 200), 4000, false],
  ['all at the end of a second', burst(1000, 20), 1000, true],
  ['all at once, at once', burst(50, 20), 50, false],
  ['ten at a time, every 300 ms', [...burst(0, 10), ...burst(300, 10), ...burst(600, 10)], 600, true],
  ['ten at a time, every 5 ms: a model that is fast', [0, 5, 10, 15].flatMap((at) => burst(at, 10)), 15, false],
  ['two at a time: speculative decoding', [0, 200, 400, 600].flatMap((at) => burst(at, 2)), 600, false],
  ['ten at a time after a long prompt, then fast', [5000, 5005].flatMap((at) => burst(at, 10)), 5005, false],
])('buffered? %s', (_, times, lasted, wanted) => {
  expect(isBuffered({ times, lasted })).toBe(wanted);
});

it.each([
  // 20 ms a token: 2,038 more would take 40 s; nobody waits that long.
  [Array.from({ length: 10 }, (_, at) => at * 20), 2048, 3000],
  [Array.from({ length: 10 }, (_, at) => at), 2048, 1019],
  [[5, 5, 5], 256, 0],
  [[5], 256, 0],
  [[], 256, 0],
])('patience after events at %j with %i tokens asked for: %d ms', (times, tokens, wanted) => {
  expect(patience(times, tokens)).toBeCloseTo(wanted, 9);
});

it.each([
  ['vllm:num_requests_running{model_name="m"} 2.0\n', 2],
  ['# HELP vllm:num_requests_running x\nvllm:num_requests_running 0\nvllm:num_requests_waiting 7\n', 0],
  ['vllm:num_requests_running{engine="0"} 1\nvllm:num_requests_running{engine="1"} 2\n', 3],
  ['sglang:num_running_reqs{a="b"} 4\n', 4],
  ['sglang_num_running_reqs 4\n', 4],
  ['process_cpu_seconds_total 1\n', undefined],
])('running in %j: %s', (text, wanted) => {
  expect(runningIn(text)).toBe(wanted);
});

it.each([
  ['one two six', 'two'],
  ['二〇二六年十一月', '六年十'],
  ['…!?', undefined],
  ['', undefined],
])('a stop word in %j: %s', (content, wanted) => {
  expect(stopIn(content)).toBe(wanted);
});

describe('which checks', () => {
  it('by id, by group, in their own order', () => {
    expect(chosen(['stream', 'reach.models']).map(({ id }) => id)).toEqual([
      'reach.models',
      'stream.whole',
      'stream.flows',
    ]);
    expect(chosen(['chat.stop,chat.json']).map(({ id }) => id)).toEqual(['chat.stop', 'chat.json']);
    expect(chosen([])).toBe(smokeChecks);
  });

  it('an unknown one is refused, with the list', () => {
    expect(() => chosen(['chat.nope'])).toThrowError('There is no check called chat.nope.');
  });

  it('have each their own id and both languages', () => {
    expect(new Set(smokeChecks.map(({ id }) => id)).size).toBe(smokeChecks.length);
    for (const { title } of smokeChecks) expect(title.zh).not.toBe(title.en);
  });
});

describe('an endpoint that does not answer', () => {
  it('fails the first check and spares the rest', async () => {
    const gone = await endpoint();
    await gone.close();
    const report = await runSmoke(world(), { baseUrl: gone.url, model: 'm' });
    expect(report.passed).toBe(false);
    expect(report.counts).toEqual({ ok: 0, failed: 1, warned: 0, skipped: smokeChecks.length - 1 });
    expect(report.checks[0]).toMatchObject({ id: 'reach.health', says: 'GET /health: no answer (ECONNREFUSED)' });
  });

  it('that hangs up in the middle of a check is a finding of that check', async () => {
    const report = await smoke({ unknownRoute: (response) => void response.socket!.destroy() });
    expect(notOk(report)).toEqual([{ id: 'error.route', state: 'failed' }]);
    await server!.close();
    const second = await smoke({ unknownRoute: (response) => refuse(response, 404) });
    expect(second.passed).toBe(true);
  });

  it('Ctrl-C ends the test, whatever was being asked', async () => {
    server = await endpoint();
    const fake = fakeWorld();
    const stopped: World = { ...fake, http: http({}), clock: systemClock };
    const running = runSmoke(
      stopped,
      { baseUrl: server.url, key: 'sk-good', model: 'm' },
      {
        start: ({ id }) => {
          if (id === 'stream.flows') fake.abort.abort(new Error('interrupted'));
        },
      },
    );
    await expect(running).rejects.toThrow('interrupted');
  });
});
