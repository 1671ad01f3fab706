import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quote, show } from '../src/command.js';

describe('quote', () => {
  it('survives a real POSIX shell whatever the word', () => {
    const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && !/[\ud800-\udfff]/.test(text));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        const script = `for word in ${words.map(quote).join(' ')}; do printf '%s\\0' "$word"; done`;
        expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(
          words.map((text) => `${text}\0`).join(''),
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe('show', () => {
  const token = { name: 'join-token', get: async () => 's3cret' };

  it.each([
    [{ argv: ['apt-get', 'install', '-y', 'nginx'] as const, sudo: true }, 'sudo apt-get install -y nginx'],
    [{ argv: ['kubeadm', 'join'] as const, stdin: token }, 'kubeadm join < <join-token>'],
    [{ argv: ['env'] as const, env: { TOKEN: token, A: "it's" } }, `TOKEN=<join-token> A='it'\\''s' env`],
    [{ argv: ['ls'] as const, cwd: '/a b' }, `cd '/a b' && ls`],
  ])('%j', (command, line) => {
    expect(show({ ...command, argv: [...command.argv] as [string, ...string[]] })).toBe(line);
  });
});
