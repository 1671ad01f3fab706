/** Small file systems of their own, to be filled for real. */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';

export type FileSystem = 'tmpfs' | 'ext4' | 'btrfs';

/** btrfs takes no less. */
const imageBytes = { ext4: 16 << 20, btrfs: 128 << 20 };

/** @param bytes of a tmpfs; the others are as small as they can be */
export async function mountAt(folder: string, kind: FileSystem, bytes = 1 << 20): Promise<void> {
  if (kind === 'tmpfs') {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'none', folder]);
    return;
  }
  await writeFile(`${folder}.img`, '');
  await truncate(`${folder}.img`, imageBytes[kind]);
  execFileSync(`mkfs.${kind}`, ['-q', `${folder}.img`]);
  execFileSync('mount', ['-o', 'loop', `${folder}.img`, folder]);
}

export async function canMount(kind: FileSystem): Promise<boolean> {
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

/** What a delayed write still wants is there, or refused, when this returns. */
export const settle = (folder: string): void => void execFileSync('sync', ['-f', folder]);

/** To the last byte, on the disk itself. */
export async function fill(folder: string): Promise<void> {
  for (let bytes = 32 << 20; bytes >= 1; bytes >>= 1) {
    for (let full = false; !full; ) {
      await appendFile(`${folder}/ballast`, Buffer.alloc(bytes)).catch(() => {
        full = true;
      });
    }
    if (bytes >= 4096) settle(folder);
  }
  settle(folder);
}

export async function empty(folder: string): Promise<void> {
  await rm(`${folder}/ballast`);
  settle(folder);
}

/** Whether the gateway writes what lies there as memory: ext4 and tmpfs by their numbers in linux/magic.h. */
export const asMemory = (folder: string): boolean =>
  process.arch === 'x64' &&
  ['ef53', '1021994'].includes(execFileSync('stat', ['-f', '-c', '%t', folder]).toString().trim());
