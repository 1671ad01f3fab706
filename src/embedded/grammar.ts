/** JSON as GBNF, llama.cpp's grammar notation: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md */
import { isObject, type Json } from './fields.js';
import { invalid } from './problem.js';

/** One break or a little space; a model that loves white space shall not fill the context with it. */
const shared = [
  String.raw`ws ::= | " " | "\n" [ \t]{0,20}`,
  String.raw`char ::= [^"\\\x7F\x00-\x1F] | [\\] (["\\/bfnrt] | "u" [0-9a-fA-F]{4})`,
  String.raw`string ::= "\"" char* "\""`,
  'integer ::= "-"? ("0" | [1-9] [0-9]{0,15})',
  'number ::= integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
  'boolean ::= "true" | "false"',
  'null ::= "null"',
  'member ::= string ws ":" ws value',
  'object ::= "{" ws (member (ws "," ws member)*)? ws "}"',
  'array ::= "[" ws (value (ws "," ws value)*)? ws "]"',
  'value ::= object | array | string | number | boolean | null',
];

const grammarOf = (root: string, rules: readonly string[]): string =>
  `${[`root ::= ${root}`, ...rules, ...shared].join('\n')}\n`;

export const jsonObjectGrammar = grammarOf('object', []);

const annotations = new Set([
  ...['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples', 'format'],
  ...['deprecated', 'readOnly', 'writeOnly', 'additionalProperties', 'strict'],
]);
const understood = new Set([
  ...['type', 'enum', 'const', 'anyOf', 'oneOf', '$ref', 'properties', 'required', 'items'],
  ...['minItems', 'maxItems', 'minLength', 'maxLength'],
]);
const maxRules = 2000;
const maxDepth = 64;

const literal = (value: unknown): string => {
  const text = JSON.stringify(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `"${text}"`;
};

/** `{m,n}` for a thing that is repeated `m` to `n` times. */
const times = (min: number, max: number | undefined): string =>
  max === undefined ? (min === 0 ? '*' : `{${min},}`) : `{${min},${max}}`;

class Schema {
  readonly rules: string[] = [];
  /** Rules by `$ref`, so that schemas may refer to themselves. */
  private readonly named = new Map<string, string>();

  constructor(private readonly root: Json) {}

  private rule(body: string): string {
    if (this.rules.length >= maxRules)
      throw invalid("The JSON schema in 'response_format' is too large.", 'response_format');
    const name = `r${this.rules.length}`;
    this.rules.push(`${name} ::= ${body}`);
    return name;
  }

  private refuse(at: string, why: string): never {
    throw invalid(
      `The JSON schema in 'response_format' ${why} at '${at || '#'}'.`,
      'response_format',
      'unsupported_schema',
    );
  }

  /** A GBNF expression for the schema. */
  expression(schema: unknown, at: string): string {
    if (at.split('/').length > maxDepth * 2) this.refuse('#', `is nested more than ${maxDepth} levels deep`);
    if (schema === true || schema === undefined) return 'value';
    if (!isObject(schema)) this.refuse(at, 'is neither an object nor true');
    for (const key of Object.keys(schema)) {
      if (!annotations.has(key) && !understood.has(key)) this.refuse(at, `uses '${key}', which is not supported,`);
    }
    if (typeof schema.$ref === 'string') return this.reference(schema.$ref, at);
    if (Array.isArray(schema.enum)) return this.either(schema.enum.map(literal), at);
    if ('const' in schema) return literal(schema.const);
    const variants = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(variants)) {
      return this.either(
        variants.map((variant, i) => this.expression(variant, `${at}/anyOf/${i}`)),
        at,
      );
    }
    const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? this.implied(schema)];
    return this.either(
      types.map((type) => this.typed(type, schema, at)),
      at,
    );
  }

  private implied(schema: Json): unknown {
    return 'properties' in schema ? 'object' : 'items' in schema ? 'array' : undefined;
  }

  private either(options: readonly string[], at: string): string {
    if (options.length === 0) this.refuse(at, 'allows nothing');
    return options.length === 1 ? options[0]! : this.rule(options.join(' | '));
  }

  private typed(type: unknown, schema: Json, at: string): string {
    switch (type) {
      case undefined:
        return 'value';
      case 'string':
        return this.string(schema, at);
      case 'object':
        return this.object(schema, at);
      case 'array':
        return this.array(schema, at);
      case 'integer':
      case 'number':
      case 'boolean':
      case 'null':
        return type;
      default:
        return this.refuse(at, `has the unknown type ${JSON.stringify(type)}`);
    }
  }

  private count(schema: Json, name: string, at: string): number | undefined {
    const value = schema[name];
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 10_000) {
      this.refuse(at, `needs an integer from 0 to 10000 for '${name}'`);
    }
    return value as number;
  }

  private string(schema: Json, at: string): string {
    const [min, max] = [this.count(schema, 'minLength', at), this.count(schema, 'maxLength', at)];
    if (min === undefined && max === undefined) return 'string';
    return this.rule(String.raw`"\"" char${times(min ?? 0, max)} "\""`);
  }

  private array(schema: Json, at: string): string {
    const item = this.expression(schema.items, `${at}/items`);
    const [min, max] = [this.count(schema, 'minItems', at) ?? 0, this.count(schema, 'maxItems', at)];
    if (max === 0) return this.rule('"[" ws "]"');
    const more = max === undefined ? undefined : max - 1;
    const items = `${item} (ws "," ws ${item})${times(Math.max(0, min - 1), more)}`;
    return this.rule(`"[" ws ${min === 0 ? `(${items})?` : items} ws "]"`);
  }

  private object(schema: Json, at: string): string {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const names = Object.keys(properties);
    if (names.length === 0) return this.map(schema, at);
    const required = new Set(Array.isArray(schema.required) ? (schema.required as unknown[]) : []);
    for (const name of required) {
      if (typeof name !== 'string' || !(name in properties))
        this.refuse(at, `requires ${JSON.stringify(name)}, which it does not describe,`);
    }
    const pair = (name: string): string =>
      this.rule(`${literal(name)} ws ":" ws ${this.expression(properties[name], `${at}/properties/${name}`)}`);
    const needed = names.filter((name) => required.has(name)).map(pair);
    const free = names.filter((name) => !required.has(name)).map(pair);
    const comma = ' ws "," ws ';
    const tail = free.map((name) => ` (ws "," ws ${name})?`);
    // With nothing required the first member may be any, and has no comma before it.
    const body =
      needed.length > 0
        ? needed.join(comma) + tail.join('')
        : `(${free.map((name, i) => name + tail.slice(i + 1).join('')).join(' | ')})?`;
    return this.rule(`"{" ws ${body} ws "}"`);
  }

  private map(schema: Json, at: string): string {
    const extra = schema.additionalProperties;
    if (extra === false) return this.rule('"{" ws "}"');
    if (!isObject(extra)) return 'object';
    const member = this.rule(`string ws ":" ws ${this.expression(extra, `${at}/additionalProperties`)}`);
    return this.rule(`"{" ws (${member} (ws "," ws ${member})*)? ws "}"`);
  }

  private reference(ref: string, at: string): string {
    const known = this.named.get(ref);
    if (known !== undefined) return known;
    const name = `d${this.named.size}`;
    this.named.set(ref, name);
    const place = this.rules.push('') - 1;
    this.rules[place] = `${name} ::= ${this.expression(this.find(ref, at), ref)}`;
    return name;
  }

  private find(ref: string, at: string): unknown {
    if (!ref.startsWith('#')) this.refuse(at, `refers to '${ref}', which is outside it,`);
    let found: unknown = this.root;
    for (const step of ref.slice(1).split('/').filter(Boolean)) {
      found = isObject(found) ? found[step.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    }
    if (found === undefined) this.refuse(at, `refers to '${ref}', which it does not have,`);
    return found;
  }
}

/**
 * Answers that follow a JSON schema (the subset that OpenAI's structured outputs and zod make: types, properties,
 * required, items, enum, const, anyOf, $ref within, lengths). Properties come in the schema's order, required ones first.
 * @throws Problem 400 for keywords that a grammar would silently break.
 */
export function schemaGrammar(schema: Json): string {
  const reader = new Schema(schema);
  const root = reader.expression(schema, '');
  return grammarOf(root, reader.rules);
}
