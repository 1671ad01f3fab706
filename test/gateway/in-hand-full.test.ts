/** The list of requests in hand is memory that a file holds: a disk without room must cost a worker its list, never its life. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { sleep, startEngine, stream } from './engine.js';
import { workersOf } from './fault-table.js';
import { startGateway, testSettings, until } from './harness.js';
import { canMount, empty, type FileSystem, fill, mountAt, settle } from './mounts.js';

const hello = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] };
/** More than a worker's file has room for from the start (core/in_hand.lua, STEP). */
const atOnce = 160;

describe.each<FileSystem>(['tmpfs', 'ext4', 'btrfs'])('a full %s', async (kind) => {
  it.skipIf(!(await canMount(kind)))(
    'goes on, and lists again what there is room for',
    async () => {
      const directory = await mkdtemp(`${tmpdir()}/gateway-in-hand-`);
      const folder = `${directory}/in-hand`;
      await mkdir(folder);
      await mountAt(folder, kind);
      const engine = await startEngine(stream(10, 40));
      const gateway = await startGateway(testSettings([engine.peer]), { directory });
      const ids = (name: string) => Array.from({ length: atOnce }, (_, i) => `${name}-${i}`);
      const ask = (name: string) =>
        ids(name).map(async (id) => {
          const response = await gateway.post(hello, { headers: { 'x-request-id': id } });
          const text = await response.text();
          return text.includes('[DONE]');
        });
      try {
        const before = await workersOf(gateway);
        await fill(folder);
        expect(await Promise.all(ask('full'))).toEqual(Array(atOnce).fill(true));
        settle(folder);
        expect(await Promise.all(ask('again'))).toEqual(Array(atOnce).fill(true));
        expect(await workersOf(gateway)).toEqual(before);
        await empty(folder);
        const broken = Promise.allSettled(ask('room'));
        await until('all are in hand', () => engine.seen.length === 3 * atOnce || undefined);
        await sleep(50);
        process.kill(before[0]!, 'SIGKILL');
        await broken;
        const lines = await until('their lines', async () => {
          const found = (await gateway.audit()).filter(({ id }) => String(id).startsWith('room-'));
          return found.length === atOnce ? found : undefined;
        });
        expect(lines.every(({ cut, outcome }) => cut === 'worker died' || outcome === 'complete')).toBe(true);
        expect(gateway.log()).not.toContain('signal 7');
      } finally {
        await gateway.stop().catch(() => {});
        await engine.stop();
        execFileSync('umount', [folder]);
        await rm(directory, { recursive: true, force: true });
      }
    },
    60_000,
  );
});
