import type { Node, UnitNode } from './schema.js';
import { readUnit } from './unit.js';

/** What a node is when nothing is written for it. */
export function initial(node: Node): unknown {
  if (node.kind === 'object') {
    if (node.optional) return undefined;
    return Object.fromEntries(Object.entries(node.fields).map(([key, field]) => [key, initial(field)]));
  }
  if (typeof node.initial !== 'string') return node.initial;
  const unit = (node.kind === 'either' ? node.of : [node]).find(isUnit);
  return (unit && readUnit(unit.kind, node.initial)) ?? node.initial;
}

const isUnit = (node: Node): node is UnitNode => node.kind === 'duration' || node.kind === 'bytes';

/** Stands in for a value that must be there and is not, while the rest of the file is checked. */
export function blank(node: Node): unknown {
  switch (node.kind) {
    case 'object':
    case 'map':
      return {};
    case 'list':
      return [];
    case 'string':
    case 'path':
      return '';
    case 'boolean':
      return false;
    case 'enum':
      return node.values[0];
    case 'either':
      return blank(node.of[0]!);
    default:
      return node.min ?? 0;
  }
}
