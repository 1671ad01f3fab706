/** What the READMEs show of the API runs as it is written, against a real gateway: their client in JavaScript, their curl line. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { type Both, onBoth } from './both.js';
import { answer, stream } from './engine.js';
import { apiKey, testSettings } from './harness.js';
import { oauthSettings, signingKey, tokenOf, useKeys } from './oauth-client.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const readmes = ['README.md', 'README.zh-CN.md'];
const read = (name: string): string => readFileSync(`${root}/${name}`, 'utf8');

const put = (text: string, from: RegExp, to: string): string => {
  expect(text).toMatch(from);
  return text.replaceAll(new RegExp(from, 'g'), to);
};

/** The README's code, with our address and key in place of its own, and what a person would write next. */
async function typed(name: string, url: string, key: string): Promise<unknown> {
  const [, code] = /```js\n([\s\S]+?)```/.exec(read(name))!;
  const here = put(put(code!, /http:\/\/127\.0\.0\.1:8080/, url), /sk-…/, key);
  const next = `
    const ask = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
    const models = (await client.models.list()).data.map(({ id }) => id);
    const whole = await client.chat.completions.create(ask);
    const said = [];
    for await (const one of await client.chat.completions.create({ ...ask, stream: true })) {
      said.push(one.choices[0]?.delta.content ?? '');
    }
    const wrong = await client.chat.completions.create({ ...ask, model: 'none' }).catch((error) => error);
    console.log(JSON.stringify({
      models, whole: whole.choices[0].message.content, said: said.join(''),
      wrong: [wrong.constructor.name, wrong.status, wrong.code, wrong.param],
    }));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', here + next], { cwd: root });
  return JSON.parse(stdout);
}

const wanted = (models: string[]) => ({
  models,
  whole: 'hello',
  said: 't0 t1 ',
  wrong: ['NotFoundError', 404, 'model_not_found', 'model'],
});

/** Streams where they are asked for. */
const usual = (both: Both) =>
  both.engine.usual((request, response, socket) =>
    (JSON.parse(request.body).stream ? stream(2) : answer)(request, response, socket),
  );

onBoth('an OpenAI client, as the README has it', {}, (both) => {
  it.each(readmes)('of %s', async (name) => {
    usual(both);
    expect(await typed(name, both.gateway.url, apiKey)).toEqual(wanted(['m']));
  });
});

onBoth('an OpenAI client with a token for its key', { settings: oauthSettings }, (both) => {
  it('is let in', async () => {
    usual(both);
    await useKeys(both.gateway, { current: signingKey });
    expect(await typed('README.md', both.gateway.url, await tokenOf(both.gateway))).toEqual(wanted(['m', 'n']));
  });
});

const demo = (peers: Parameters<typeof testSettings>[0]) =>
  testSettings(peers, { models: [{ id: 'demo', versions: [{ name: 'blue', weight: 100, peers }] }] });

onBoth('the README’s curl line', { settings: demo }, (both) => {
  it.each(readmes)('of %s', async (name) => {
    const [line] = /^curl (?:[^\n]*\\\n)*[^\n]*/m.exec(read(name))!;
    const here = put(put(line, /http:\/\/127\.0\.0\.1:8080/, both.gateway.url), /sk-[\w-]+/, apiKey);
    const { stdout } = await run('sh', ['-c', `${here} -s`]);
    expect(JSON.parse(stdout)).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'hello' } }],
    });
    expect(JSON.parse(both.engine.seen[0]!.body)).toMatchObject({ model: 'demo', max_tokens: 64 });
  });
});
