/** The list of requests in hand is memory that a file holds: a disk without room must cost a worker its list, never its life. */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { sleep, startEngine, stream } from './engine.js';
import { workersOf } from './fault-table.js';
import { startGateway, testSettings, until } from './harness.js';

const hello = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] };
/** More than a worker's file has room for from the start (core/in_hand.lua, STEP). */
const atOnce = 160;
const megabytes = 128;

/** @param folder where it is mounted */
async function mountAt(folder: string, kind: string): Promise<void> {
  if (kind === 'tmpfs') {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'none', folder]);
    return;
  }
  await writeFile(`${folder}.img`, '');
  await truncate(`${folder}.img`, megabytes << 20);
  execFileSync(`mkfs.${kind}`, ['-q', `${folder}.img`]);
  execFileSync('mount', ['-o', 'loop', `${folder}.img`, folder]);
}

async function canMount(kind: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const home = await mkdtemp(`${tmpdir()}/gateway-mount-`);
  try {
    await mkdir(`${home}/there`);
    await mountAt(`${home}/there`, kind);
    execFileSync('umount', [`${home}/there`]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** To the last byte, on the disk itself. */
async function fill(folder: string): Promise<void> {
  for (let bytes = 32 << 20; bytes >= 1; bytes >>= 1) {
    for (let full = false; !full; ) {
      await appendFile(`${folder}/ballast`, Buffer.alloc(bytes)).catch(() => {
        full = true;
      });
    }
    if (bytes >= 4096) execFileSync('sync', ['-f', folder]);
  }
  execFileSync('sync', ['-f', folder]);
}

describe.each(['tmpfs', 'ext4', 'btrfs'])('a full %s', async (kind) => {
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
        execFileSync('sync', ['-f', folder]);
        expect(await Promise.all(ask('again'))).toEqual(Array(atOnce).fill(true));
        expect(await workersOf(gateway)).toEqual(before);
        await rm(`${folder}/ballast`);
        execFileSync('sync', ['-f', folder]);
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
