import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { schema } from '../../src/config/config.js';
import { example } from '../../src/config/example.js';
import { type Json, jsonSchema } from '../../src/config/jsonschema.js';
import { load, merge } from '../../src/config/load.js';
import type { Node } from '../../src/config/schema.js';

const templates = new URL('../../templates/', import.meta.url).pathname;
const validate = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true }).compile(jsonSchema(schema));

/** As JSON with short lists on one line, which is how the repository formats it. */
const pretty = (json: Json): string =>
  `${JSON.stringify(json, null, 2).replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (_, items: string) => `[${items.replace(/\n\s+/g, ' ')}]`)}\n`;

// `npm run schema` writes both anew.
test('the JSON Schema is that of the schema', async () => {
  await expect(pretty(jsonSchema(schema))).toMatchFileSnapshot(`${templates}deepseek.schema.json`);
});

test('the example is that of the schema', async () => {
  await expect(example(schema, './deepseek.schema.json')).toMatchFileSnapshot(`${templates}deepseek.example.yaml`);
});

describe('the example', () => {
  const setting = /^( *)# ([a-zA-Z][a-zA-Z0-9]*: .*)$/;

  test('loads, and is valid for editors', async () => {
    const text = await readFile(`${templates}deepseek.example.yaml`, 'utf8');
    expect(merge(await load(text, 'example'), []).config.model.id).toBe('deepseek-r1-distill-qwen-1.5b');
    expect(validate(parse(text))).toBe(true);
  });

  test('holds when any one of its comments is made a setting, and changes nothing where that is the default', async () => {
    const lines = (await readFile(`${templates}deepseek.example.yaml`, 'utf8')).split('\n');
    const asWritten = merge(await load(lines.join('\n'), 'example'), []).config;
    const keys: string[] = [];
    for (const [index, line] of lines.entries()) {
      const [, indent, rest] = setting.exec(line) ?? [];
      if (rest === undefined || /^(yaml-|Allowed|Where)/.test(rest)) continue;
      keys.push(rest.split(':')[0]!);
      // These go with another mode, with a Redis, or with a cloud.
      const alone = ['certificate', 'key', 'username', 'passwordFile', 'ca', 'serverName', 'baseUrl', 'keyFile'];
      if (alone.includes(keys.at(-1)!)) continue;
      // model.file and model.id exclude each other.
      const others = lines.map((other) => (keys.at(-1) === 'file' ? other.replace(/^ {2}id: .*/, '') : other));
      const { config } = merge(await load(others.with(index, `${indent}${rest}`).join('\n'), 'example'), []);
      if (!['file', 'quantisation', 'issuer', 'proxy', 'endpoint', 'virtualAddress'].includes(keys.at(-1)!))
        expect(config).toEqual(asWritten);
    }
    expect(keys.sort()).toEqual([...leaves(schema)].sort());
  });

  const leaves = (node: Node): readonly string[] =>
    node.kind === 'object'
      ? Object.entries(node.fields).flatMap(([key, field]) =>
          field.kind === 'object' ? leaves(field) : field.required || field.shown ? [] : [key],
        )
      : [];
});

describe('the JSON Schema and our own check agree', () => {
  const accepts = async (value: unknown): Promise<boolean> =>
    load(stringify(value, { aliasDuplicateObjects: false }), 'x').then(
      () => true,
      () => false,
    );

  const odd = fc.constantFrom<unknown>(
    'x',
    '',
    0,
    -1,
    1.5,
    70_000,
    true,
    null,
    [],
    {},
    '30s',
    '2MiB',
    '80',
    'https://h/x',
  );
  const mostly = (right: fc.Arbitrary<unknown>) =>
    fc.oneof({ weight: 100, arbitrary: right }, { weight: 1, arbitrary: odd });

  /** Values that are right or nearly so for a node: most random YAML would only try the first test. */
  const near = (node: Node): fc.Arbitrary<unknown> => {
    switch (node.kind) {
      case 'object': {
        const fields = Object.entries(node.fields).map(([key, field]) => [key, near(field)]);
        return mostly(
          fc.record(
            { ...Object.fromEntries(fields), ...(node === schema ? { extra: odd } : {}) },
            { requiredKeys: [] },
          ),
        );
      }
      case 'enum':
        return mostly(fc.constantFrom<unknown>(...node.values));
      case 'integer':
        return mostly(fc.integer({ min: node.min ?? 0, max: (node.max ?? 99) + 1 }));
      case 'either':
        return fc.oneof(...node.of.map(near));
      // Their limits are no part of the schema, so what is odd for them must be no unit at all.
      case 'duration':
      case 'bytes':
        return fc.oneof(
          { weight: 100, arbitrary: fc.constant<unknown>(node.initial ?? '2MiB') },
          { weight: 1, arbitrary: fc.constantFrom<unknown>('x', true, [], {}, '80') },
        );
      case 'boolean':
        return mostly(fc.boolean());
      case 'map':
        return mostly(fc.constant({}));
      default: {
        const { initial, example } = node as { initial?: unknown; example?: unknown };
        const usual = [initial, example].filter((one) => one !== undefined);
        return mostly(fc.constantFrom<unknown>(...(usual.length > 0 ? usual : ['a', 'demo', '0'])));
      }
    }
  };
  const document = near(schema).map((value) => {
    if (typeof value !== 'object' || value === null) return value;
    const { extra, ...rest } = value as Record<string, unknown>;
    // A wrong version hides all else, and the schema has no words for what only two fields together can tell.
    if (typeof rest.model === 'object' && rest.model) delete (rest.model as Record<string, unknown>).quantisation;
    if (typeof rest.gateway === 'object' && rest.gateway) {
      for (const field of ['host', 'tls', 'redis', 'cache', 'breaker', 'degrade', 'cloud'])
        delete (rest.gateway as Record<string, unknown>)[field];
    }
    if (typeof rest.kubernetes === 'object' && rest.kubernetes)
      delete (rest.kubernetes as Record<string, unknown>).storage;
    return { version: 1, ...(extra === '' ? { extra } : {}), ...rest };
  });

  test('on what a hand may write', async () => {
    const seen = { right: 0, wrong: 0 };
    await fc.assert(
      fc.asyncProperty(document, async (value) => {
        const ours = await accepts(value);
        seen[ours ? 'right' : 'wrong']++;
        expect(validate(value), JSON.stringify(validate.errors)).toBe(ours);
      }),
      { numRuns: 1500 },
    );
    expect(Math.min(seen.right, seen.wrong)).toBeGreaterThan(10);
  });

  test.each([
    [{ version: 1, gateway: { maxBodyBytes: '2MiB' } }, true],
    [{ version: 1, engine: null }, true],
    [{ version: 1, model: { id: 'demo', file: 'x' } }, false],
    [{ version: 1, model: { file: 'x.gguf', hub: 'https://hf.example/' } }, true],
    [{ version: 2 }, false],
    [{}, false],
    [null, false],
  ])('on %j', async (value, right) => {
    expect([validate(value), await accepts(value)]).toEqual([right, right]);
  });
});
