import { say, type Text } from '../say.js';
import { allowed } from './allowed.js';
import { nearest } from './near.js';
import { numberOf, stringOf } from './scalar.js';
import type { Node, ObjectNode } from './schema.js';
import { isBranches, isList, type Tree } from './tree.js';

export const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);

export const refused = (what: string, may: Text): Text =>
  say(`${what} is not allowed here; allowed: ${may.en}`, `此处不能是 ${what}；可以是：${may.zh}`);

/** What is wrong with a value, and what is allowed in its place. */
export function refusal(node: Node, value: Tree['value']): Text {
  const may = allowed(node);
  if (value === null) return say(`is empty; allowed: ${may.en}`, `值为空；可以是：${may.zh}`);
  if (isBranches(value))
    return say(`a mapping is not allowed here; allowed: ${may.en}`, `此处不能是映射；可以是：${may.zh}`);
  if (isList(value)) {
    const here =
      node.kind === 'list' ? say(`a list of ${value.length}`, `${value.length} 项的列表`) : say('a list', '列表');
    return say(`${here.en} is not allowed here; allowed: ${may.en}`, `此处不能是${here.zh}；可以是：${may.zh}`);
  }
  if (typeof value !== 'string') return withQuotes(node, value, may);
  if (scalarWithoutQuotes(node, value))
    return say(`${quoted(value)} is text; take the quotes away`, `${quoted(value)} 是文本；请去掉引号`);
  const meant = node.kind === 'enum' ? nearest(value, node.values.map(String)) : undefined;
  return didYouMean(refused(quoted(value), may), meant);
}

/** A number or truth value where the same in quotes would be right. */
function withQuotes(node: Node, value: number | boolean, may: Text): Text {
  const text = refused(String(value), may);
  if (node.kind !== 'string' || stringOf(node, String(value)) === undefined) return text;
  return say(`${value} is not text; write "${value}"`, `${value} 不是文本；请写成 "${value}"`);
}

function scalarWithoutQuotes(node: Node, value: string): boolean {
  if (node.kind === 'integer' || node.kind === 'number')
    return value.trim() !== '' && numberOf(node, Number(value)) !== undefined;
  return node.kind === 'boolean' && (value === 'true' || value === 'false');
}

const didYouMean = (text: Text, meant: string | undefined): Text =>
  meant === undefined ? text : say(`${text.en}; did you mean ${meant}?`, `${text.zh}；您是想写 ${meant} 吗？`);

export function unknownKey(key: string, node: ObjectNode): Text {
  const keys = Object.keys(node.fields);
  const text = say(`unknown key; allowed: ${keys.join(', ')}`, `未知的键；可以是：${keys.join('、')}`);
  return didYouMean(text, nearest(key, keys));
}

export const missing = (node: Node): Text => {
  const may = allowed(node);
  return say(`is missing; allowed: ${may.en}`, `缺失；可以是：${may.zh}`);
};
