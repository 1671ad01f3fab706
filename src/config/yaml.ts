import type { Alias, Document, LineCounter, YAMLError, YAMLMap, Node as YamlNode } from 'yaml';
import { say, type Text } from '../say.js';
import { type Branch, type Problem, type Tree, under, type Where } from './tree.js';

/** A configuration by hand has a few kilobytes; what is larger is the wrong file. Characters. */
const longest = 64 * 1024;

/**
 * The parser descends by recursion, and an exhausted stack can end the process. Brackets open levels, and so do
 * dashes in a row; what indentation alone can open is bounded by `longest`.
 */
const nestedTooDeeply = (text: string): boolean =>
  (text.match(/[[{]/g)?.length ?? 0) > 1000 || /^[ \t]*([-?:][ \t]+){9}/m.test(text);

export interface Read {
  /** Absent when nothing of the file could be understood. */
  readonly tree?: Tree;
  readonly problems: readonly Problem[];
}

/** One YAML 1.2 document with the place of everything in it. Never throws for what is in the text. */
export async function readYaml(text: string, file: string): Promise<Read> {
  const top: Where = { file, line: 1, column: 1 };
  const only = (what: Text): Read => ({ problems: [{ path: '', where: top, text: what }] });
  if (text.length > longest) return only(say('is too large for a configuration', '文件过大，不像是配置文件'));
  if (nestedTooDeeply(text)) return only(deep);
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const documents = yaml.parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  return 'empty' in documents ? only(empty) : new Reader(yaml, lines, file).all(documents);
}

const deep = say('is nested too deeply', '嵌套层数过多');
const empty = say('is empty; the least there can be: version: 1', '文件为空；至少应有：version: 1');

class Reader {
  readonly problems: Problem[] = [];

  constructor(
    private readonly yaml: typeof import('yaml'),
    private readonly lines: LineCounter,
    private readonly file: string,
  ) {}

  all(documents: readonly Document.Parsed[]): Read {
    const [document, second] = documents;
    if (second)
      this.report(
        '',
        second.range[0],
        say('only one document may be in the file; take the --- away', '文件中只能有一个文档；请删除 ---'),
      );
    const errors = documents.flatMap((each) => [...each.errors, ...each.warnings]);
    for (const error of errors) this.broken(error);
    // What is known of a broken text is guesswork, and would only bring problems that are not there.
    if (errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return { problems: this.problems };
    if (!document?.contents) return { problems: [{ path: '', where: this.where(0), text: empty }] };
    const tree = this.tree(document.contents, '');
    return tree ? { tree, problems: this.problems } : { problems: this.problems };
  }

  private where(offset: number): Where {
    const { line, col } = this.lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  private report(path: string, offset: number, text: Text): void {
    this.problems.push({ path, where: this.where(offset), text });
  }

  private broken({ code, message, pos }: YAMLError): void {
    this.report('', pos[0], syntax[code] ?? say(`is not YAML: ${message}`, `不是有效的 YAML：${message}`));
  }

  /** Undefined, with a problem, for what a configuration may not hold: aliases and anchors can make a small file huge. */
  private tree(node: YamlNode, path: string): Tree | undefined {
    const offset = node.range?.[0] ?? 0;
    if (this.yaml.isAlias(node) || this.anchored(node)) {
      this.report(
        path,
        offset,
        say(
          'anchors and aliases (& and *) are not understood here; write the value out',
          '不支持锚点与别名（& 和 *）；请直接写出该值',
        ),
      );
      return undefined;
    }
    const where = this.where(offset);
    if (this.yaml.isMap(node)) return { where, value: this.branches(node, path) };
    if (this.yaml.isSeq(node)) {
      const items = node.items.map((item, index) => this.tree(item as YamlNode, under(path, index)));
      return { where, value: items.filter((item) => item !== undefined) };
    }
    const value: unknown = this.yaml.isScalar(node) ? node.value : undefined;
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return { where, value };
    this.report(path, offset, say('a value of this kind is not understood here', '不支持此类值'));
    return undefined;
  }

  private anchored(node: Exclude<YamlNode, Alias>): boolean {
    return 'anchor' in node && node.anchor !== undefined;
  }

  private branches(map: YAMLMap, path: string): ReadonlyMap<string, Branch> {
    const branches = new Map<string, Branch>();
    for (const { key, value } of map.items) {
      const node = key as YamlNode;
      const offset = node.range?.[0] ?? 0;
      const name = this.yaml.isScalar(node) && node.value !== null ? String(node.source ?? node.value) : undefined;
      if (name === undefined) {
        this.report(path, offset, say('a key must be a word', '键必须是一个词'));
        continue;
      }
      const at = under(path, name);
      const where = this.where(offset);
      const tree = value === null ? { where, value: null } : this.tree(value as YamlNode, at);
      if (tree) branches.set(name, { key: where, tree });
    }
    return branches;
  }
}

const syntax: Partial<Record<YAMLError['code'], Text>> = {
  RESOURCE_EXHAUSTION: deep,
  BLOCK_AS_IMPLICIT_KEY: say(
    'there are two colons, or the line before is indented wrongly',
    '同一行有两个冒号，或上一行缩进有误',
  ),
  BAD_SCALAR_START: say('text that begins like this must stand in quotes', '以此字符开头的文本须加引号'),
  TAB_AS_INDENT: say('a tab indents this line; YAML takes spaces only', '本行用制表符缩进；YAML 只接受空格'),
  DUPLICATE_KEY: say('this key is there twice; take one away', '此键重复出现；请删除其中一个'),
  BAD_INDENT: say('is indented wrongly: as far as its neighbours, please', '缩进有误：应与同级各行对齐'),
  MISSING_CHAR: say('a quote, bracket or comma is missing', '缺少引号、括号或逗号'),
  TAG_RESOLVE_FAILED: say('tags (!) are not understood here', '不支持标签（!）'),
  MULTILINE_IMPLICIT_KEY: say('a colon is missing, or a quote is not closed', '缺少冒号，或引号未闭合'),
};
