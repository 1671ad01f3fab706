/** What shall be in the cluster is held against it by one command, and told apart only when something differs. */
import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/command.js';
import { isHeld, type Part } from '../../src/steps/held.js';
import type { World } from '../../src/world.js';

/** An API server that has some of it, and how often it was asked. */
function cluster(...has: string[]): { world: World; asked: Command[] } {
  const asked: Command[] = [];
  const run = async (command: Command) => {
    asked.push(command);
    const { argv, stdin } = command;
    const parts = argv.flatMap((word, at) =>
      argv[at - 1] !== '-f' ? [] : word === '-' ? String(stdin).split('\n---\n') : [word],
    );
    return { code: parts.every((part) => has.includes(part)) ? 0 : 1, stdout: '', stderr: '' };
  };
  return { world: { host: { run } } as unknown as World, asked };
}

const all = (parts: readonly Part[], world: World) => Promise.all(parts.map((part) => isHeld(part, world)));
const three: readonly Part[] = [{ documents: 'a\n---\nb' }, { file: '/m/c' }, { documents: 'd' }];

describe('what is asked at the same moment', () => {
  it('takes one command when all of it is so', async () => {
    const { world, asked } = cluster('a', 'b', '/m/c', 'd');
    expect(await all(three, world)).toEqual([true, true, true]);
    expect(asked).toHaveLength(1);
    expect(asked[0]!.argv.slice(-4)).toEqual(['-f', '/m/c', '-f', '-']);
    expect(asked[0]!.stdin).toBe('a\n---\nb\n---\nd');
  });

  it('is told apart where something differs', async () => {
    expect(await all(three, cluster('a', 'b', 'd').world)).toEqual([true, false, true]);
    expect(await all(three, cluster('a', '/m/c').world)).toEqual([false, true, false]);
    expect(await all(three, cluster().world)).toEqual([false, false, false]);
  });

  it('is one command for one part, and another moment another command', async () => {
    const { world, asked } = cluster('d');
    expect(await isHeld({ documents: 'd' }, world)).toBe(true);
    expect(await isHeld({ documents: 'e' }, world)).toBe(false);
    expect(asked).toHaveLength(2);
    expect(asked[0]!.argv).toContain('--server-side');
  });

  it('is apart for each host, and a host that is gone is told to all who asked', async () => {
    const [one, other] = [cluster('a'), cluster()];
    const both = [isHeld({ documents: 'a' }, one.world), isHeld({ documents: 'a' }, other.world)];
    expect(await Promise.all(both)).toEqual([true, false]);
    const gone = { host: { run: () => Promise.reject(new Error('gone')) } } as unknown as World;
    const told = await Promise.allSettled([isHeld({ documents: 'a' }, gone), isHeld({ documents: 'b' }, gone)]);
    expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
