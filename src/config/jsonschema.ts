import type { Text } from '../say.js';
import type { Node, ObjectNode } from './schema.js';
import { unitPattern } from './unit.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

type Shape = { readonly [key: string]: Json };

const both = ({ en, zh }: Text): string => `${en}\n${zh}`;

const limits = (least: string, most: string, node: { readonly min?: number; readonly max?: number }): Shape => ({
  ...(node.min === undefined ? {} : { [least]: node.min }),
  ...(node.max === undefined ? {} : { [most]: node.max }),
});

/** JSON Schema draft 07, which editors know best. What needs arithmetic (limits of '30s') or two fields is not in it. */
export function jsonSchema(root: ObjectNode): Shape {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'deepseek.yaml', ...shape(root), type: 'object' };
}

function shape(node: Node): Shape {
  const initial = 'initial' in node && node.initial !== undefined ? { default: node.initial as Json } : {};
  return { description: both(node.says), ...initial, ...constraint(node) };
}

function constraint(node: Node): Shape {
  switch (node.kind) {
    case 'object':
      return objectShape(node);
    case 'list':
      return { type: 'array', items: shape(node.of), ...limits('minItems', 'maxItems', node) };
    case 'map':
      return { type: 'object', propertyNames: { pattern: node.keys.regexp }, additionalProperties: shape(node.of) };
    case 'string':
      return {
        type: 'string',
        ...limits('minLength', 'maxLength', { min: 1, ...node }),
        ...(node.pattern ? { pattern: node.pattern.regexp } : {}),
      };
    case 'path':
      return { type: 'string', minLength: 1 };
    case 'integer':
    case 'number':
      return { type: node.kind, ...limits('minimum', 'maximum', node) };
    case 'boolean':
      return { type: 'boolean' };
    case 'enum':
      return { enum: node.values };
    case 'duration':
      return { type: 'string', pattern: unitPattern('duration') };
    case 'bytes':
      return {
        anyOf: [
          { type: 'integer', ...limits('minimum', 'maximum', node) },
          { type: 'string', pattern: unitPattern('bytes') },
        ],
      };
    case 'either':
      return { anyOf: node.of.map(shape) };
  }
}

function objectShape(node: ObjectNode): Shape {
  const fields = Object.entries(node.fields);
  const required = fields.filter(([, field]) => field.required).map(([key]) => key);
  const pairs = (node.exclusive ?? []).flatMap((group) =>
    group.flatMap((first, index) =>
      group.slice(index + 1).map((second) => ({ not: { type: 'object', required: [first, second] } })),
    ),
  );
  return {
    // A heading whose keys are all comments reads as null.
    type: ['object', 'null'],
    properties: Object.fromEntries(fields.map(([key, field]) => [key, shape(field)])),
    additionalProperties: false,
    ...(required.length > 0 ? { required } : {}),
    ...(pairs.length > 0 ? { allOf: pairs } : {}),
  };
}
