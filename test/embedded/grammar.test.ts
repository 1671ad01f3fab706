import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Addon, loadAddon } from '../../src/embedded/addon.js';
import { jsonObjectGrammar, schemaGrammar } from '../../src/embedded/grammar.js';
import { testRuntime } from './runtime.js';

let addon: Addon;
beforeAll(async () => {
  addon = await loadAddon(await testRuntime(), () => {});
}, 120_000);

const takes = (gbnf: string, text: string): boolean =>
  new addon.AddonGrammar(gbnf, { addonExports: addon, rootRuleName: 'root' }).isTextCompatible(text);

describe('any JSON object', () => {
  it('is taken, compact and indented', () => {
    // Doubles are written with up to 17 digits and exponents; the grammar takes 16.
    const scalar = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string({ unit: 'grapheme' }));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, scalar, fc.array(tie('value')), fc.dictionary(fc.string(), tie('value'))),
    }));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value, { noNullPrototype: true }), (object) => {
        expect(takes(jsonObjectGrammar, JSON.stringify(object).replaceAll('\x7f', ''))).toBe(true);
        expect(takes(jsonObjectGrammar, JSON.stringify(object, undefined, 2).replaceAll('\x7f', ''))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each(['[]', '"x"', '{', '{"a":}', '{"a":1,}', '{"a":01}', '{"a":"\n"}', '{} x', '{a:1}', ''])(
    '%s is none',
    (text) => expect(takes(jsonObjectGrammar, text)).toBe(false),
  );
});

const person = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  title: 'Person',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 5 },
    age: { type: ['integer', 'null'] },
    mood: { enum: ['good', 'bad "day"', 3, null] },
    tags: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2 },
    friend: { $ref: '#' },
    home: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/place' }] },
  },
  required: ['name', 'tags'],
  additionalProperties: false,
  $defs: { place: { type: 'object', properties: { city: { const: '北京' } }, required: ['city'] } },
};

describe('JSON by a schema', () => {
  it.each([
    ['{"name":"Ada","tags":["a"]}', true],
    ['{"name":"Ada","tags":["a","b"],"age":null,"mood":"bad \\"day\\""}', true],
    ['{"name":"Ada","tags":["a"],"mood":3,"home":{"city":"北京"}}', true],
    ['{"name":"Ada","tags":["a"],"friend":{"name":"Bob","tags":["x"]},"home":null}', true],
    ['{"name":"","tags":["a"]}', false],
    ['{"name":"Adaaaa","tags":["a"]}', false],
    ['{"name":"Ada","tags":[]}', false],
    ['{"name":"Ada","tags":["a","b","c"]}', false],
    ['{"name":"Ada"}', false],
    ['{"name":"Ada","tags":["a"],"age":1.5}', false],
    ['{"name":"Ada","tags":["a"],"mood":"fine"}', false],
    ['{"name":"Ada","tags":["a"],"other":1}', false],
    ['{"name":"Ada","tags":["a"],"home":{"city":"上海"}}', false],
  ])('%s: %s', (text, fits) => expect(takes(schemaGrammar(person), text)).toBe(fits));

  it('may leave out any property when none is required', () => {
    const grammar = schemaGrammar({
      type: 'object',
      properties: { a: { type: 'null' }, b: {}, c: { type: 'boolean' } },
    });
    for (const text of ['{}', '{"a":null}', '{"b":[1]}', '{"a":null,"c":true}', '{"b":{},"c":false}']) {
      expect(takes(grammar, text)).toBe(true);
    }
    expect(takes(grammar, '{"c":true,}')).toBe(false);
  });

  it.each<[object, string, string]>([
    [{ type: 'array', items: { type: 'number' } }, '[1,-2.5e3]', '["x"]'],
    [{ type: 'array', maxItems: 0 }, '[]', '[1]'],
    [{ type: 'object', additionalProperties: { type: 'integer' } }, '{"a":1,"b":2}', '{"a":"x"}'],
    [{ type: 'object', additionalProperties: false }, '{}', '{"a":1}'],
    [{ oneOf: [{ const: 1 }, { type: 'string' }] }, '"x"', '2'],
    [{ items: { type: 'null' } }, '[null]', '{}'],
    [{}, '{"any":[1]}', '{'],
  ])('%j', (schema, good, bad) => {
    expect(takes(schemaGrammar(schema as never), good)).toBe(true);
    expect(takes(schemaGrammar(schema as never), bad)).toBe(false);
  });

  it.each<[object, string]>([
    [{ type: 'string', pattern: '^a' }, "uses 'pattern'"],
    [{ type: 'number', minimum: 3 }, "uses 'minimum'"],
    [{ type: 'object', properties: { a: { not: {} } } }, "'/properties/a'"],
    [{ $ref: '#/$defs/none' }, "refers to '#/$defs/none'"],
    [{ $ref: 'https://elsewhere/x' }, 'outside it'],
    [{ enum: [] }, 'allows nothing'],
    [{ type: 'object', properties: { a: {} }, required: ['b'] }, 'requires "b"'],
    [{ type: 'string', maxLength: -1 }, 'maxLength'],
  ])('%j is refused rather than broken', (schema, words) => {
    expect(() => schemaGrammar(schema as never)).toThrow(words);
  });
});
