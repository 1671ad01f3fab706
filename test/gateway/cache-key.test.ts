import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lua, startLua } from './lua.js';

let lua: Lua;
beforeAll(async () => {
  lua = await startLua();
});
afterAll(() => lua?.stop());

interface Asked {
  readonly body: string;
  readonly tenant?: string;
  readonly route?: string;
  readonly model?: string;
  readonly revision?: string;
  readonly version?: string;
}

/** The keys of these requests; null where there is none. */
const keysOf = async (...asked: Asked[]) =>
  (await lua.run(
    `local json, keys, cjson = require "core.json", require "core.cache_key", require "cjson"
    local hmac = require("core.crypto").hmac_sha256("secret")
    local out = {}
    for i, one in ipairs(...) do
      local req = {
        doc = assert(json.open(one.body)),
        tenant = one.tenant or "t",
        route = one.route or "chat",
        model = { id = one.model or "m" },
        version = { name = one.version or "blue", revision = one.revision },
      }
      out[i] = keys.of(req, hmac) or cjson.null
    end
    return out`,
    asked,
  )) as (string | null)[];

const bodies = (...list: unknown[]) => keysOf(...list.map((one) => ({ body: JSON.stringify(one) })));

/** The same value with its fields in another order and white space between. */
function shuffled(value: unknown, random: () => number): string {
  const gap = () => [' ', '', '\n\t', ''][Math.floor(random() * 4)]!;
  if (Array.isArray(value)) return `[${gap()}${value.map((one) => shuffled(one, random)).join(`${gap()},${gap()}`)}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value)
    .map(([name, one]) => ({ at: random(), text: `${JSON.stringify(name)}${gap()}:${gap()}${shuffled(one, random)}` }))
    .sort((a, b) => a.at - b.at);
  return `{${gap()}${fields.map(({ text }) => text).join(`,${gap()}`)}${gap()}}`;
}

const name = fc.string({ unit: fc.constantFrom('a', 'b', ':', '1', '"', 'é'), minLength: 1, maxLength: 3 });
const small = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(true, false, '', 's1:', 'a', 0, 1, -1.5, 1e-300, 12),
    fc.array(tie('value'), { maxLength: 3, minLength: 1 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3, minKeys: 1 }),
  ),
})).value;
const request = fc.dictionary(
  name.filter((one) => one !== 'n'),
  small,
  { maxKeys: 4, noNullPrototype: true },
);

describe('the key of an answer', () => {
  it('does not depend on order and white space', async () => {
    const samples = fc.sample(request, 200);
    const asked = samples.flatMap((body) => [{ body: JSON.stringify(body) }, { body: shuffled(body, Math.random) }]);
    const keys = await keysOf(...asked);
    for (let i = 0; i < keys.length; i += 2) expect(keys[i + 1], asked[i + 1]!.body).toBe(keys[i]);
  });

  it('tells apart what is different', async () => {
    const seen = new Map<string, string>();
    const texts = fc.sample(request, 2000).map((body) => shuffled(body, () => 0));
    // Sorted fields: equal bodies have equal texts.
    const sorted = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(sorted)
        : value !== null && typeof value === 'object'
          ? Object.fromEntries(
              Object.entries(value)
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .map(([k, v]) => [k, sorted(v)]),
            )
          : value;
    const keys = await keysOf(...texts.map((body) => ({ body })));
    for (const [i, text] of texts.entries()) {
      const plain = JSON.stringify(sorted(JSON.parse(text)));
      expect(seen.get(keys[i]!) ?? plain).toBe(plain);
      seen.set(keys[i]!, plain);
    }
    expect(seen.size).toBeGreaterThan(1000);
  });

  it('holds tenant, route, model and revision, each in its place', async () => {
    const body = '{"messages":[]}';
    const keys = await keysOf(
      { body },
      { body, tenant: 'u' },
      { body, route: 'completions' },
      { body, model: 'n' },
      { body, revision: 'r' },
      { body, version: 'green' },
      { body, tenant: 'tc', route: 'hat' },
      { body, revision: 'r', version: 'green' },
    );
    expect(new Set(keys).size).toBe(7);
    // The name of a version counts only where nothing better is known.
    expect(keys[7]).toBe(keys[4]);
  });

  it('leaves out how an answer is sent and for whom', async () => {
    const aside = {
      stream: true,
      stream_options: { include_usage: true },
      user: 'u',
      metadata: { a: 1 },
      model: 'alias',
    };
    const [plain, full, empty, other] = await bodies(
      { seed: 1 },
      { seed: 1, ...aside },
      { seed: 1, top_p: null },
      { seed: 1, nested: [null] },
    );
    expect(full).toBe(plain);
    expect(empty).toBe(plain);
    expect(other).not.toBe(plain);
  });

  it('tells long texts apart, and knows them by whatever escapes they are written with', async () => {
    for (const size of [10, 50, 300, 5000, 100_000]) {
      const long = `${'x'.repeat(size)}é/`;
      const keys = await keysOf(
        { body: JSON.stringify({ prompt: long }) },
        { body: JSON.stringify({ prompt: long }).replace('é/', '\\u00e9\\/') },
        { body: JSON.stringify({ prompt: `${long} ` }) },
        { body: JSON.stringify({ prompt: `y${long.slice(1)}` }) },
        { body: JSON.stringify({ prompt: [long] }) },
        { body: JSON.stringify({ prompt: [[long]] }) },
      );
      expect(keys.every((key) => typeof key === 'string')).toBe(true);
      expect(keys[1]).toBe(keys[0]);
      expect(new Set(keys).size).toBe(5);
    }
  });

  it('is none where two numbers could be taken for one another', async () => {
    const [a, b, c] = await keysOf(
      { body: '{"seed":9007199254740993}' },
      { body: '{"x":[{"y":-9007199254740993}]}' },
      { body: '{"seed":9007199254740991}' },
    );
    expect([a, b]).toEqual([null, null]);
    expect(c).toMatch(/^answer:/);
    const [one, same] = await keysOf({ body: '{"t":1}' }, { body: '{"t":1.0}' });
    expect(same).toBe(one);
  });
});

describe('AES-256-GCM', () => {
  const seal = (key: Buffer, aad: string, text: Buffer) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(aad));
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  };
  const open = (key: Buffer, aad: string, sealed: Buffer) => {
    const cipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(Buffer.from(aad));
    cipher.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([cipher.update(sealed.subarray(12, -16)), cipher.final()]);
  };
  const call = async (what: 'seal' | 'open', key: Buffer, aad: string, text: Buffer) => {
    const chunk = `local one = ...
      local out = require("core.crypto_gcm").${what}(ngx.decode_base64(one.key), one.aad, ngx.decode_base64(one.text))
      return out and ngx.encode_base64(out)`;
    const argument = { key: key.toString('base64'), aad, text: text.toString('base64') };
    const out = (await lua.run(chunk, argument)) as string | undefined;
    return out === undefined ? undefined : Buffer.from(out, 'base64');
  };

  it('is the one of Node, both ways, for all sizes', async () => {
    for (const size of [0, 1, 15, 16, 17, 4095, 4096, 100_000]) {
      const [key, text] = [randomBytes(32), randomBytes(size)];
      expect(open(key, 'name', (await call('seal', key, 'name', text))!)).toEqual(text);
      expect(await call('open', key, 'name', seal(key, 'name', text))).toEqual(text);
    }
  });

  it('opens nothing of which a bit was changed, that was cut, or that belongs elsewhere', async () => {
    const key = randomBytes(32);
    const sealed = seal(key, 'name', Buffer.from('answer'));
    for (let i = 0; i < sealed.length; i += 1) {
      const other = Buffer.from(sealed);
      other[i]! ^= 1 << (i % 8);
      expect(await call('open', key, 'name', other)).toBeUndefined();
    }
    for (let i = 0; i < sealed.length; i += 1) {
      expect(await call('open', key, 'name', sealed.subarray(0, i))).toBeUndefined();
    }
    expect(await call('open', key, 'other', sealed)).toBeUndefined();
    expect(await call('open', randomBytes(32), 'name', sealed)).toBeUndefined();
    expect(await call('open', key, 'name', sealed)).toEqual(Buffer.from('answer'));
  });

  it('never uses a nonce twice', async () => {
    const key = randomBytes(32);
    const nonces = new Set<string>();
    for (let i = 0; i < 100; i += 1) {
      nonces.add((await call('seal', key, '', Buffer.from('x')))!.toString('hex').slice(0, 24));
    }
    expect(nonces.size).toBe(100);
  });
});

it('the names in Redis cannot be had without the secret', async () => {
  const [key] = await keysOf({ body: '{"messages":[]}' });
  const text = (part: string) => `s${part.length}:${part}`;
  const canonical = `${['1', 't', 'chat', 'm', 'blue'].map(text).join('')}${text('messages')}o0:`;
  const digest = (secret: string) => createHmac('sha256', secret).update(canonical).digest('base64').replace(/=+$/, '');
  expect(key).toBe(`answer:${digest('secret')}`);
  expect(key).not.toBe(`answer:${digest('another')}`);
});
