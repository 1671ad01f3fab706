/** Keys that hold values or further keys: what `-q -x` and `-q` have in common. */
export interface Node {
  /** Lower case, letters and digits only: `fb_memory_usage` and `FB Memory Usage` are one key. */
  readonly key: string;
  value: string;
  readonly children: Node[];
}

export const keyOf = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

export const node = (name: string, value = ''): Node => ({ key: keyOf(name), value, children: [] });

export function all(from: Node, path: string): Node[] {
  let level = [from];
  for (const key of path.split('/')) level = level.flatMap((one) => one.children.filter((child) => child.key === key));
  return level;
}

/** The value at the first of these paths that is there. */
export function at(from: Node, ...paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const found = all(from, path)[0];
    if (found) return found.value.trim();
  }
  return undefined;
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const decoded = (text: string): string =>
  text.replace(/&(lt|gt|amp|quot|apos);/g, (_, name: string) => entities[name]!);

const tag = /^(\/?)([A-Za-z_][\w.:-]*)\s*([^<>]*?)(\/?)$/;

export interface Xml {
  readonly root: Node;
  /** An element was still open at the end. */
  readonly cut: boolean;
}

/**
 * Elements and their text, as far as they go: nvidia-smi does not escape the names of processes, and a recording may
 * stop anywhere. Attributes become children.
 */
export function readXml(text: string): Xml {
  const root = node('');
  const open: { readonly name: string; readonly node: Node }[] = [{ name: '', node: root }];
  let from = 0;
  for (;;) {
    const start = text.indexOf('<', from);
    const end = start < 0 ? -1 : text.indexOf('>', start);
    const top = open.at(-1)!.node;
    if (end < 0) {
      const cut = start >= 0 || open.length > 1;
      // Half a figure would be a wrong one.
      if (cut) top.value = '';
      else top.value += decoded(text.slice(from));
      return { root, cut };
    }
    const found = tag.exec(text.slice(start + 1, end));
    const markup = found !== null || /^[?!]/.test(text.slice(start + 1, start + 2));
    top.value += decoded(text.slice(from, markup ? start : start + 1));
    from = markup ? end + 1 : start + 1;
    if (found) element(open, found);
  }
}

function element(open: { name: string; node: Node }[], [, closing, name, attributes, empty]: readonly string[]): void {
  if (closing) {
    const at = open.findLastIndex((one) => one.name === name);
    if (at > 0) open.length = at;
    return;
  }
  const child = node(name!);
  for (const [, key, value] of attributes!.matchAll(/([\w:.-]+)\s*=\s*["']([^"']*)["']/g)) {
    child.children.push(node(key!, decoded(value!)));
  }
  open.at(-1)!.node.children.push(child);
  if (!empty) open.push({ name: name!, node: child });
}

const gpuHeading = /^GPU ((?:[0-9A-Fa-f]{4,8}:)[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])$/;

/** `Key : value` lines whose indentation says what belongs to what; a `GPU 0000…` heading becomes a `gpu` with its `id`. */
export function readIndented(lines: readonly string[]): Node {
  const root = node('');
  const open: { readonly indent: number; readonly node: Node }[] = [{ indent: -1, node: root }];
  for (const line of lines) {
    const text = line.trim();
    const pair = /^([^:]*[^:\s])\s*:(?:\s+(.*))?$/.exec(text);
    const heading = gpuHeading.exec(text);
    if (!heading && !/^[A-Za-z]/.test(text)) continue;
    const indent = line.length - line.trimStart().length;
    while (open.length > 1 && open.at(-1)!.indent >= indent) open.pop();
    const child = heading ? node('gpu') : pair ? node(pair[1]!, pair[2] ?? '') : node(text);
    if (heading) child.children.push(node('id', heading[1]!));
    open.at(-1)!.node.children.push(child);
    open.push({ indent, node: child });
  }
  return root;
}
