import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { check } from '../../src/config/check.js';
import { hosts } from '../../src/config/hosts.js';
import type { Problem, Tree } from '../../src/config/tree.js';

/** A tree without places, as far as the check needs them. */
function tree(value: unknown): Tree {
  const where = { file: 'deepseek.yaml', line: 1, column: 1 };
  if (Array.isArray(value)) return { value: value.map(tree), where } as Tree;
  if (value === null || typeof value !== 'object') return { value, where } as Tree;
  const branches = Object.entries(value).map(([key, below]) => [key, { key: where, tree: tree(below) }] as const);
  return { value: new Map(branches), where } as Tree;
}

function read(text: string): { value: unknown; problems: string[] } {
  const problems: Problem[] = [];
  const value = check(hosts, tree(parseDocument(text).toJS()), 'hosts', (problem) => void problems.push(problem));
  return { value, problems: problems.map(({ path }) => path) };
}

describe('hosts', () => {
  test('the least there can be', () => {
    const { value, problems } = read('machines: {gpu-1: {address: 10.0.0.11}}');
    expect(problems).toEqual([]);
    expect(value).toMatchObject({
      machines: { 'gpu-1': { address: '10.0.0.11', roles: ['worker'] } },
      parallel: 10,
      acceptNewHostKeys: false,
    });
  });

  test('all there can be', () => {
    const { problems } = read(
      `parallel: 3
acceptNewHostKeys: true
machines:
  cp: {address: "fd00::1", roles: [control-plane, storage], user: ops, port: 2222}
  gpu-1: {address: gpu.example, roles: [worker], bastion: {address: jump, user: j, port: 22}}`,
    );
    expect(problems).toEqual([]);
  });

  test.each([
    ['machines: {GPU: {address: a}}', 'hosts.machines.GPU'],
    ['machines: {g: {}}', 'hosts.machines.g.address'],
    ['machines: {g: {address: "-oProxyCommand=x"}}', 'hosts.machines.g.address'],
    ['machines: {g: {address: "a b"}}', 'hosts.machines.g.address'],
    ['machines: {g: {address: a, user: "-l"}}', 'hosts.machines.g.user'],
    ['machines: {g: {address: a, port: 0}}', 'hosts.machines.g.port'],
    ['machines: {g: {address: a, roles: [boss]}}', 'hosts.machines.g.roles.0'],
    ['machines: {g: {address: a, roles: []}}', 'hosts.machines.g.roles'],
    ['machines: {g: {address: a, bastion: {}}}', 'hosts.machines.g.bastion.address'],
    ['parallel: 0', 'hosts.parallel'],
    ['machine: {}', 'hosts.machine'],
  ])('%s is refused at %s', (text, path) => {
    expect(read(text).problems).toEqual([path]);
  });
});
