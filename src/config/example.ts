import { stringify } from 'yaml';
import { columns } from '../table.js';
import { allowed } from './allowed.js';
import type { Node, ObjectNode } from './schema.js';

const width = 100;

/**
 * A commented file with every key: what it is for, in both languages, what is allowed, and its default. What may be
 * left out is a comment that holds once its '#' is taken away.
 * @param schemaAddress of the JSON Schema, for editors; relative to the file
 */
export function example(root: ObjectNode, schemaAddress: string): string {
  const head = [
    `# yaml-language-server: $schema=${schemaAddress}`,
    ...comment(root.says.en, ''),
    ...comment(root.says.zh, ''),
  ];
  return `${[...head, ...fields(root, '')].join('\n')}\n`;
}

const fields = (node: ObjectNode, indent: string): readonly string[] =>
  Object.entries(node.fields).flatMap(([key, field]) => ['', ...entry(key, field, indent)]);

function entry(key: string, node: Node, indent: string): readonly string[] {
  const says = [...comment(node.says.en, indent), ...comment(node.says.zh, indent)];
  if (node.kind === 'object' && !node.optional) {
    const [, ...inner] = fields(node, `${indent}  `);
    return [...says, `${indent}${key}:`, ...inner];
  }
  const lines = stringify({ [key]: sample(node) })
    .trimEnd()
    .split('\n');
  const active = node.required || node.shown;
  const may = comment(`Allowed: ${allowed(node).en}.`, indent);
  return [...says, ...may, ...lines.map((line) => `${indent}${active ? '' : '# '}${line}`)];
}

/** What stands there in the example: the default, or an example of what there is no default for. */
function sample(node: Node): unknown {
  switch (node.kind) {
    case 'object':
      return Object.fromEntries(Object.entries(node.fields).map(([key, field]) => [key, sample(field)]));
    case 'list':
      return node.initial ?? [sample(node.of)];
    case 'map':
      return node.initial ?? {};
    case 'string':
    case 'path':
      return node.initial ?? node.example;
    case 'enum':
      return node.initial ?? node.values[0];
    case 'either':
      return node.initial ?? sample(node.of[0]!);
    case 'boolean':
    case 'duration':
    case 'bytes':
      return node.initial;
    default:
      return node.initial ?? node.min;
  }
}

/** The text as lines of comment; Chinese is broken anywhere, English between words. */
function comment(text: string, indent: string): readonly string[] {
  const start = `${indent}# `;
  const lines: string[] = [];
  let line = '';
  for (const piece of text.match(/[\u3000-\uffef]|[^\u3000-\uffef\s]+\s*|\s+/g) ?? []) {
    if (line !== '' && columns(start + line + piece.trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += piece;
  }
  return [...lines, line].map((each) => start + each);
}
