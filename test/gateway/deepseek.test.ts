/** DeepSeek's paths, fields and statuses, and POST /v1/text/generate. */
import { expect, it } from 'vitest';
import { onBoth } from './both.js';
import { answer, type Behaviour, reset, status, stream } from './engine.js';
import { testKey, testSettings } from './harness.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };

const completion =
  (more: object = {}): Behaviour =>
  (_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        id: 'cmpl-1',
        object: 'text_completion',
        created: 5,
        model: 'm',
        choices: [{ index: 0, text: 'wor"ld\n世界', finish_reason: 'length' }],
        usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
        ...more,
      }),
    );
  };

/** Events of a text completion, cut into pieces of `size` bytes wherever that falls. */
const completionStream =
  (size: number): Behaviour =>
  async (_, response) => {
    const base = { id: 'cmpl-2', object: 'text_completion', created: 5, model: 'm' };
    const events = [
      { ...base, choices: [{ index: 0, text: 'wor', finish_reason: null }] },
      { ...base, choices: [{ index: 0, text: 'ld 世界', finish_reason: 'stop' }] },
      { ...base, choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } },
    ].map((event) => `data: ${JSON.stringify(event)}\n\n`);
    const bytes = Buffer.from(`${events.join('')}data: [DONE]\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let i = 0; i < bytes.length; i += size) {
      response.write(bytes.subarray(i, i + size));
      if (size > 1) await new Promise((done) => setImmediate(done));
    }
    response.end();
  };

const settings = (peers: Parameters<typeof testSettings>[0]) =>
  testSettings(peers, {
    keys: [testKey(), testKey({ id: 'key_other', models: ['other'] }, 'sk-other')],
    models: [
      { id: 'm', aliases: ['deepseek-chat'], versions: [{ name: 'blue', weight: 100, peers }] },
      { id: 'other', versions: [{ name: 'blue', weight: 1, peers }] },
      { id: 'asleep', versions: [{ name: 'blue', weight: 100, peers: [] }] },
    ],
  });

onBoth('DeepSeek’s wire', { settings, engineSilence: 2 }, (both) => {
  const asked = () => JSON.parse(both.engine.seen.at(-1)!.body) as Record<string, unknown>;

  it.each([
    ['/chat/completions', '/v1/chat/completions', hello],
    ['/beta/chat/completions', '/v1/chat/completions', hello],
    ['/beta/completions', '/v1/completions', { model: 'm', prompt: 'def f(', suffix: 'return x' }],
  ])('%s is the engine’s %s', async (path, engine, body) => {
    const response = await both.gateway.post(body, { path });
    expect(response.status).toBe(200);
    await response.text();
    expect(both.engine.seen[0]!.url).toBe(engine);
    expect(asked()).toEqual(body);
  });

  it('lists the models without /v1 too', async () => {
    const [one, other] = await Promise.all(
      ['/models', '/v1/models'].map(async (path) =>
        (await both.gateway.post(undefined, { path, method: 'GET' })).text(),
      ),
    );
    expect(one).toBe(other);
    expect(JSON.parse(one!)).toMatchObject({ object: 'list', data: [{ id: 'm' }, { id: 'other' }, { id: 'asleep' }] });
  });

  it.each([
    [{ thinking: { type: 'enabled' } }, { thinking: true, enable_thinking: true }, undefined],
    [{ thinking: { type: 'disabled' } }, { thinking: false, enable_thinking: false }, undefined],
    [{ reasoning_effort: 'low' }, { reasoning_effort: 'low' }, 'low'],
    [{ reasoning_effort: 'minimal' }, { reasoning_effort: 'low' }, 'low'],
    [{ reasoning_effort: 'medium' }, { reasoning_effort: 'high' }, 'medium'],
    [{ reasoning_effort: 'max' }, { reasoning_effort: 'max' }, 'high'],
    [{ reasoning_effort: 'ultra' }, { reasoning_effort: 'max' }, 'high'],
    [
      { thinking: { type: 'enabled' }, reasoning_effort: 'xhigh', chat_template_kwargs: { a: [], thinking: false } },
      { a: [], thinking: true, enable_thinking: true, reasoning_effort: 'high' },
      'high',
    ],
    [
      { reasoning_effort: 'max', chat_template_kwargs: { reasoning_effort: 'mine' } },
      { reasoning_effort: 'mine' },
      'high',
    ],
  ])('%j reaches the chat template', async (fields, variables, effort) => {
    await (await both.gateway.post({ ...hello, model: 'deepseek-chat', ...fields })).text();
    const { chat_template_kwargs, reasoning_effort, ...rest } = asked();
    expect(chat_template_kwargs).toEqual(variables);
    expect(reasoning_effort).toBe(effort);
    expect(rest).toMatchObject(hello);
  });

  it.each([{}, { thinking: null }, { reasoning_effort: 'none' }])('%j changes nothing', async (fields) => {
    await (await both.gateway.post({ ...hello, ...fields })).text();
    expect(asked()).toEqual({ ...hello, ...fields });
  });

  it.each([
    [{ thinking: true }, 'thinking'],
    [{ thinking: { type: 'maybe' } }, 'thinking'],
    [{ thinking: { type: 'enabled' }, chat_template_kwargs: 'x' }, 'chat_template_kwargs'],
  ])('%j is refused by its name', async (fields, param) => {
    const response = await both.gateway.post({ ...hello, ...fields });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: expect.stringMatching(`^${param}`) } });
    expect(both.engine.seen).toHaveLength(0);
  });

  it('keeps what engines tell of their prefix cache, and of reasoning', async () => {
    const told = {
      id: 'c',
      object: 'chat.completion',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'x', reasoning_content: 'y' }, finish_reason: 'stop' },
      ],
      usage: {
        prompt_tokens: 7,
        completion_tokens: 3,
        total_tokens: 10,
        prompt_cache_hit_tokens: 4,
        prompt_cache_miss_tokens: 3,
      },
    };
    both.engine.next(status(200, JSON.stringify(told)));
    expect(await (await both.gateway.post(hello, { path: '/chat/completions' })).json()).toEqual(told);
  });

  it.each<[string, object | string, number, number]>([
    ['no JSON', '{', 400, 400],
    ['a parameter', { ...hello, thinking: 1 }, 400, 422],
    ['no such model', { ...hello, model: 'none' }, 404, 400],
    ['no engine', { ...hello, model: 'asleep' }, 503, 503],
  ])('%s: the statuses that each API knows', async (_, body, ours, theirs) => {
    expect((await both.gateway.post(body)).status).toBe(ours);
    for (const path of ['/chat/completions', '/beta/chat/completions']) {
      const response = await both.gateway.post(body, { path });
      expect(response.status, path).toBe(theirs);
      expect(await response.json()).toMatchObject({ error: { message: expect.any(String) } });
    }
  });

  it('a wrong key is 401, an engine that breaks off 503, its own words pass', async () => {
    const path = '/chat/completions';
    expect((await both.gateway.post(hello, { path, headers: { authorization: 'Bearer no' } })).status).toBe(401);
    both.engine.next(reset, reset, reset);
    const broken = await both.gateway.post(hello, { path });
    expect(broken.status).toBe(503);
    both.engine.forget();
    both.engine.next(status(422));
    expect((await both.gateway.post(hello, { path })).status).toBe(422);
  });

  it('passes the trace on', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await (await both.gateway.post(hello, { headers: { traceparent, tracestate: 'a=b' } })).text();
    expect(both.engine.seen[0]!.headers).toMatchObject({ traceparent, tracestate: 'a=b' });
  });
});

onBoth('POST /v1/text/generate', { settings }, (both) => {
  const path = '/v1/text/generate';
  const asked = () => JSON.parse(both.engine.seen.at(-1)!.body) as Record<string, unknown>;

  it('is a text completion there and back', async () => {
    both.engine.next(completion());
    const body = { prompt: 'hello', max_tokens: 5, temperature: 0.7, top_p: 0.9 };
    const response = await both.gateway.post(body, { path, headers: { 'x-request-id': `gen-${Math.random()}` } });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      id: 'cmpl-1',
      created: 5,
      model: 'm',
      text: 'wor"ld\n世界',
      finish_reason: 'length',
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    });
    expect(both.engine.seen[0]!.url).toBe('/v1/completions');
    expect(asked()).toEqual({ model: 'm', ...body });
    const line = await both.gateway.auditOf(response.headers.get('x-request-id')!);
    expect(line).toMatchObject({ route: 'generate', prompt_tokens: 7, completion_tokens: 3, outcome: 'complete' });
  });

  it('fills in the model that the key may use and how long the answer may be', async () => {
    both.engine.usual(completion());
    await (await both.gateway.post({ prompt: 'x' }, { path })).text();
    expect(asked()).toEqual({ model: 'm', prompt: 'x', max_tokens: 256 });
    await (await both.gateway.post({ prompt: 'x' }, { path, headers: { authorization: 'Bearer sk-other' } })).text();
    expect(asked()).toMatchObject({ model: 'other' });
  });

  it('takes a long prompt, and an answer larger than nginx’s buffers', async () => {
    const long = 'x'.repeat(150_000);
    both.engine.next(completion({ choices: [{ index: 0, text: long, finish_reason: 'stop' }] }));
    const response = await both.gateway.post({ prompt: long }, { path });
    expect(await response.json()).toMatchObject({ text: long });
    expect(asked().prompt).toBe(long);
  });

  it.each([1, 7, 10_000])('streams its pieces, in whatever bits of %d bytes they come', async (size) => {
    both.engine.next(completionStream(size));
    const response = await both.gateway.post({ prompt: 'x', stream: true }, { path });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const events = (await response.text()).split('\n\n').filter(Boolean);
    expect(events.at(-1)).toBe('data: [DONE]');
    const base = { id: 'cmpl-2', created: 5, model: 'm' };
    expect(events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)))).toEqual([
      { ...base, text: 'wor', finish_reason: null, usage: null },
      { ...base, text: 'ld 世界', finish_reason: 'stop', usage: null },
      { ...base, text: '', finish_reason: null, usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } },
    ]);
    expect(asked()).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  it('ends a stream that breaks off with an error event', async () => {
    both.engine.next(async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"id":"a","choices":[{"index":0,"text":"x","finish_reason":null}]}\n\n');
      await new Promise((done) => setTimeout(done, 20));
      response.destroy();
    });
    const events = (await (await both.gateway.post({ prompt: 'x', stream: true }, { path })).text()).split('\n\n');
    expect(JSON.parse(events[0]!.slice(6))).toMatchObject({ text: 'x' });
    expect(JSON.parse(events[1]!.slice(6))).toMatchObject({ error: { code: 'stream_broken' } });
  });

  it('passes what is no completion as it is', async () => {
    for (const code of [200, 400, 500]) {
      both.engine.next(status(code, '{"odd":1}'));
      const response = await both.gateway.post({ prompt: 'x' }, { path });
      expect(response.status).toBe(code);
      expect(await response.text()).toBe('{"odd":1}');
    }
  });

  it.each<[object, string | null]>([
    [{}, 'prompt'],
    [{ prompt: '' }, 'prompt'],
    [{ prompt: ['a'] }, 'prompt'],
    [{ prompt: 'x', max_tokens: 0 }, 'max_tokens'],
    [{ prompt: 'x', max_tokens: 1.5 }, 'max_tokens'],
    [{ prompt: 'x', max_tokens: '5' }, 'max_tokens'],
    [{ prompt: 'x', temperature: 2.1 }, 'temperature'],
    [{ prompt: 'x', top_p: 0 }, 'top_p'],
    [{ prompt: 'x', stream: 1 }, 'stream'],
    [{ prompt: 'x', n: 2 }, 'n'],
    [{ prompt: 'x', '"': 2 }, null],
    [{ prompt: 'x', model: 'none' }, 'model'],
  ])('%j is refused by its name', async (body, param) => {
    const response = await both.gateway.post(body, { path });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(await response.json()).toMatchObject({ error: { param, type: 'invalid_request_error' } });
    expect(both.engine.seen).toHaveLength(0);
  });

  it('leaves the other routes’ answers alone', async () => {
    for (const behaviour of [answer, stream(2)]) {
      both.engine.next(behaviour, behaviour);
      const direct = await (await fetch(`http://127.0.0.1:${both.engine.peer.port}/`, { method: 'POST' })).text();
      expect(await (await both.gateway.post(hello)).text()).toBe(direct);
    }
  });
});
