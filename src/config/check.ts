import { say } from '../say.js';
import { blank, initial } from './initial.js';
import { missing, quoted, refusal, refused, unknownKey } from './refusal.js';
import { scalar } from './scalar.js';
import type { EitherNode, ListNode, MapNode, Node, ObjectNode } from './schema.js';
import { type Branch, isBranches, isList, type Problem, type Report, type Tree, under } from './tree.js';

const otherwise = (node: Node): unknown => initial(node) ?? (node.required ? blank(node) : undefined);

/**
 * The value of what was written, defaults filled in. Each problem is reported, never thrown; where there is one the
 * default stands, so that the rest can still be checked.
 */
export function check(node: Node, tree: Tree, path: string, report: Report): unknown {
  switch (node.kind) {
    case 'object':
      return checkObject(node, tree, path, report);
    case 'list':
      return checkList(node, tree, path, report);
    case 'map':
      return checkMap(node, tree, path, report);
    case 'either':
      return checkEither(node, tree, path, report);
    default: {
      const found = scalar(node, tree.value);
      if (found !== undefined) return found;
      report({ path, where: tree.where, text: refusal(node, tree.value) });
      return otherwise(node);
    }
  }
}

function checkObject(node: ObjectNode, tree: Tree, path: string, report: Report): unknown {
  // A heading with nothing but comments below it: everything at its default.
  const branches = tree.value === null ? new Map<string, Branch>() : tree.value;
  if (!isBranches(branches)) {
    report({ path, where: tree.where, text: refusal(node, tree.value) });
    return otherwise(node);
  }
  for (const [key, { key: where }] of branches)
    if (!Object.hasOwn(node.fields, key)) report({ path: under(path, key), where, text: unknownKey(key, node) });
  for (const group of node.exclusive ?? []) {
    const [first, second] = group.filter((key) => branches.has(key));
    if (first === undefined || second === undefined) continue;
    const where = branches.get(first)!.key;
    const rival = 'flag' in where ? where.flag : under(path, first);
    const text = say(`stands beside ${rival}; allowed: one of them`, `与 ${rival} 不能同时出现，只能保留一个`);
    report({ path: under(path, second), where: branches.get(second)!.key, text });
  }
  return Object.fromEntries(
    Object.entries(node.fields).map(([key, field]) => {
      const branch = branches.get(key);
      if (branch) return [key, check(field, branch.tree, under(path, key), report)];
      if (field.required) report({ path: under(path, key), where: tree.where, text: missing(field) });
      return [key, otherwise(field)];
    }),
  );
}

function checkList(node: ListNode, tree: Tree, path: string, report: Report): unknown {
  const { value } = tree;
  if (!isList(value) || value.length < (node.min ?? 0) || value.length > (node.max ?? Number.POSITIVE_INFINITY)) {
    report({ path, where: tree.where, text: refusal(node, value) });
    return otherwise(node);
  }
  return value.map((item, index) => check(node.of, item, under(path, index), report));
}

function checkMap(node: MapNode, tree: Tree, path: string, report: Report): unknown {
  const branches = tree.value;
  if (!isBranches(branches)) {
    report({ path, where: tree.where, text: refusal(node, branches) });
    return otherwise(node);
  }
  const known = new RegExp(node.keys.regexp, 'u');
  return Object.fromEntries(
    [...branches].map(([key, { key: where, tree: item }]) => {
      const at = under(path, key);
      if (!known.test(key)) report({ path: at, where, text: refused(quoted(key), node.keys.means) });
      return [key, check(node.of, item, at, report)];
    }),
  );
}

function checkEither(node: EitherNode, tree: Tree, path: string, report: Report): unknown {
  for (const option of node.of) {
    const problems: Problem[] = [];
    const found = check(option, tree, path, (problem) => problems.push(problem));
    if (problems.length === 0) return found;
  }
  report({ path, where: tree.where, text: refusal(node, tree.value) });
  return otherwise(node);
}
