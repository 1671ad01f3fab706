import type { EnumNode, Node, NumberNode, PathNode, StringNode, UnitNode } from './schema.js';
import type { Tree } from './tree.js';
import { readUnit } from './unit.js';

export type Scalar = Exclude<Node, { readonly kind: 'object' | 'list' | 'map' | 'either' }>;

/** The value, when the node allows it. */
export function scalar(node: Scalar, value: Tree['value']): unknown {
  switch (node.kind) {
    case 'string':
      return stringOf(node, value);
    case 'path':
      return pathOf(node, value);
    case 'integer':
    case 'number':
      return numberOf(node, value);
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'enum':
      return enumOf(node, value);
    case 'duration':
    case 'bytes':
      return unitOf(node, value);
  }
}

export function stringOf(node: StringNode, value: Tree['value']): string | undefined {
  if (typeof value !== 'string') return undefined;
  // JSON Schema counts code points too.
  const length = [...value].length;
  if (length < (node.min ?? 1) || length > (node.max ?? Number.POSITIVE_INFINITY)) return undefined;
  return !node.pattern || new RegExp(node.pattern.regexp, 'u').test(value) ? value : undefined;
}

const pathOf = (_node: PathNode, value: Tree['value']): string | undefined =>
  typeof value === 'string' && value !== '' && !value.includes('\0') ? value : undefined;

const inLimits = (value: number, node: { readonly min?: number; readonly max?: number }): boolean =>
  value >= (node.min ?? Number.NEGATIVE_INFINITY) && value <= (node.max ?? Number.POSITIVE_INFINITY);

export function numberOf(node: NumberNode, value: Tree['value']): number | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  if (node.kind === 'integer' && !Number.isSafeInteger(value)) return undefined;
  return inLimits(value, node) ? value : undefined;
}

const enumOf = (node: EnumNode, value: Tree['value']): string | number | undefined =>
  node.values.find((candidate) => candidate === value);

function unitOf(node: UnitNode, value: Tree['value']): number | undefined {
  const plain = node.kind === 'bytes' && typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
  const read = typeof value === 'string' ? readUnit(node.kind, value) : plain;
  return read !== undefined && inLimits(read, node) ? read : undefined;
}
