/** Every verb's --help, in both languages: what a newcomer reads fits the terminal, and what it says to type can be typed. */
import { describe, expect, it } from 'vitest';
import { verbs } from '../../src/cli.js';
import { columns } from '../../src/table.js';
import type { Verb } from '../../src/verb.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';
import { type } from './typed.js';

const within = (path: string, { verbs: inner = [] }: Verb): string[] => [
  path,
  ...inner.flatMap(({ name, verb }) => within(`${path} ${name}`, verb)),
];
const loaded = await Promise.all(verbs.map(async ({ name, load }) => within(name, (await load()).verb)));
const paths = ['', ...loaded.flat()];

const narrow = (): FakeWorld => {
  const world = fakeWorld();
  return { ...world, ui: { ...world.ui, width: 80 } };
};

async function helpOf(
  path: string,
  lang: 'en' | 'zh',
): Promise<{ readonly list: string[]; readonly examples: string[] }> {
  const { code, out } = await type(`${path} --help --lang ${lang}`, narrow());
  expect(code).toBe(0);
  const [list = '', examples = ''] = out.split(/^(?:Examples:|示例：)$/m);
  return { list: list.split('\n'), examples: examples.split('\n').filter((line) => line && !/^\s*#/.test(line)) };
}

describe.each(paths)('deepseek-deploy %s', (path) => {
  it.each(['en', 'zh'] as const)('%s: no line is wider than the terminal', async (lang) => {
    for (const line of (await helpOf(path, lang)).list) expect(columns(line), line).toBeLessThanOrEqual(80);
  });

  it('in Chinese, its marks are Chinese, and its notes too', async () => {
    for (const line of (await helpOf(path, 'zh')).list) {
      expect(line).not.toMatch(/\((choices|default)/);
      expect(line.replace('[:端口]', '')).not.toMatch(/[\p{Script=Han}][(),;:?!]|[(),;:?!][\p{Script=Han}]/u);
    }
  });

  it('what its examples type is there', async () => {
    for (const line of (await helpOf(path, 'en')).examples) {
      const typed = [...line.matchAll(/deepseek-deploy ([^&|)>]+)/g)].map(([, words]) => words!.trim().split(/\s+/));
      expect(typed.length, line).toBeGreaterThan(0);
      for (const words of typed) {
        const own = paths.findLast((one) => one !== '' && `${words.join(' ')} `.startsWith(`${one} `));
        expect(own, line).toBeDefined();
        const { list } = await helpOf(own!, 'en');
        const known = list.flatMap((option) => /^ {2}(-\S.*?)(?: {2}|$)/.exec(option)?.[1]?.split(/[ ,]+/) ?? []);
        expect(known).toEqual(expect.arrayContaining(words.filter((word) => /^--?[a-z]/.test(word))));
      }
    }
  });
});
