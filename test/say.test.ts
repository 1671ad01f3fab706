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
