/** A script of ours that is told to stop leaves no file behind: dash runs no EXIT trap for a signal that is not trapped. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import type { Command } from '../../src/command.js';
import { batchScript } from '../../src/hosts/batch.js';
import { placed } from '../../src/hosts/placed.js';
import { fetchKeyScript } from '../../src/install/repositories.js';
import { fetchScript } from '../../src/steps/applied.js';

/** The very script that puts a file. */
async function putScript(path: string): Promise<string[]> {
  const seen: Command[] = [];
  const host = placed('a', async (command) => {
    seen.push(command);
    return { code: 0, stdout: '', stderr: '' };
  });
  await host.put(path, 'x');
  return [...(seen[0]!.argv as readonly string[])];
}

const cases: Readonly<Record<string, (temp: string) => Promise<readonly string[]> | readonly string[]>> = {
  'a file that is put': (temp) => putScript(`${temp}/secret`),
  questions: () => ['sh', '-c', batchScript([{ argv: ['sleep', '3'] }, { argv: ['sleep', '3'] }])],
  'a key': (temp) => ['sh', '-c', fetchKeyScript, 'key', `${temp}/key`, 'https://key.example', 'A'],
  'a manifest': (temp) => ['sh', '-c', fetchScript, 'fetch', `${temp}/manifest`, 'https://manifest.example', 'a'],
};

const until = async (so: () => boolean): Promise<void> => {
  while (!so()) await new Promise((resolve) => setTimeout(resolve, 20));
};

it.each(
  Object.entries(cases).flatMap(([name, argv]) =>
    (['SIGTERM', 'SIGHUP'] as const).map((s) => [name, s, argv] as const),
  ),
)('%s, by %s', async (_, signal, argvOf) => {
  const root = mkdtempSync(`${tmpdir()}/dd-stopped-`);
  const temp = `${root}/temp`;
  mkdirSync(temp);
  // Waits as a slow network does.
  writeFileSync(`${root}/curl`, '#!/bin/sh\nexec sleep 3\n');
  chmodSync(`${root}/curl`, 0o755);
  const [program, ...words] = await argvOf(temp);
  const env = { ...process.env, TMPDIR: temp, PATH: `${root}:${process.env.PATH}` };
  const child = spawn(program!, words, { env, detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  try {
    child.stdin.write('0'.repeat(64));
    child.stdin.write('\nhalf of it');
    await until(() => readdirSync(temp).length > 0);
    // Past the line that made the file, to the one that waits.
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(-child.pid!, signal);
    expect(await ended).not.toBe(0);
    expect(readdirSync(temp)).toEqual([]);
  } finally {
    child.stdin.destroy();
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {}
    rmSync(root, { recursive: true, force: true });
  }
});
