import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { langOf } from '../src/say.js';

describe('langOf', () => {
  it.each([
    [{ LANG: 'zh_CN.UTF-8' }, 'zh'],
    [{ LANG: 'en_US.UTF-8' }, 'en'],
    [{ LC_ALL: 'C', LANG: 'zh_CN.UTF-8' }, 'en'],
    [{ LC_ALL: '', LC_MESSAGES: 'zh-Hant', LANG: 'de_DE' }, 'zh'],
    [{ LANG: 'zha_CN' }, 'en'],
    [{}, 'en'],
  ] as const)('%j reads %s', (env, lang) => {
    expect(langOf(env)).toBe(lang);
  });
});

it('Chinese words have Chinese punctuation', () => {
  const root = join(import.meta.dirname, '../src');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const half = /[\u3400-\u9fff）”][,;?!:](?!\/)/;
  const found = files.flatMap((name) =>
    readFileSync(join(root, name), 'utf8')
      .split('\n')
      .filter((line) => half.test(line))
      .map((line) => `${name}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
