import { say, type Text } from '../say.js';
import type { Node, UnitNode } from './schema.js';
import { writeUnit } from './unit.js';

const join = (texts: readonly Text[], en: string, zh: string): Text =>
  say(texts.map((text) => text.en).join(en), texts.map((text) => text.zh).join(zh));

function range(min: string | number | undefined, max: string | number | undefined): Text {
  if (min !== undefined && max !== undefined) return say(`from ${min} to ${max}`, `${min} 到 ${max}`);
  if (min !== undefined) return say(`${min} or more`, `不小于 ${min}`);
  return max === undefined ? say('', '') : say(`up to ${max}`, `不大于 ${max}`);
}

const within = (what: Text, limits: Text): Text =>
  limits.en ? say(`${what.en} ${limits.en}`, `${what.zh}（${limits.zh}）`) : what;

const unitLimits = (node: UnitNode): Text => {
  const write = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : writeUnit(node.kind, value);
  return range(write(node.min), write(node.max));
};

/** What may stand there, in words that follow 'allowed: '. */
export function allowed(node: Node): Text {
  switch (node.kind) {
    case 'object':
      return say(
        `a mapping with the keys ${Object.keys(node.fields).join(', ')}`,
        `含以下键的映射：${Object.keys(node.fields).join('、')}`,
      );
    case 'list':
      return within(say('a list', '列表'), range(node.min, node.max));
    case 'map':
      return say(`a mapping whose keys are ${node.keys.means.en}`, `键为${node.keys.means.zh}的映射`);
    case 'string':
      return node.pattern?.means ?? (node.max === undefined ? say('text', '文本') : lengths(node.min ?? 1, node.max));
    case 'path':
      return node.secret
        ? say('the path of a file that only its owner may read', '仅所有者可读的文件路径')
        : say('a path', '路径');
    case 'integer':
      return within(say('a whole number', '整数'), range(node.min, node.max));
    case 'number':
      return within(say('a number', '数值'), range(node.min, node.max));
    case 'boolean':
      return say('true or false', 'true 或 false');
    case 'enum':
      return node.values.length === 1
        ? say(`${node.values[0]}`, `${node.values[0]}`)
        : say(`one of ${node.values.join(', ')}`, `${node.values.join('、')} 之一`);
    case 'duration':
      return within(say('a time such as 500ms, 30s, 5m or 2h', '时长，如 500ms、30s、5m、2h'), unitLimits(node));
    case 'bytes':
      return within(
        say('a size such as 64KiB, 10MB or a number of bytes', '大小，如 64KiB、10MB，或字节数'),
        unitLimits(node),
      );
    case 'either':
      return join(node.of.map(allowed), ', or ', '，或 ');
  }
}

const lengths = (min: number, max: number): Text =>
  say(`text of ${min} to ${max} characters`, `${min} 到 ${max} 个字符的文本`);
