/**
 * Host keys met for the first time. They go into a file of our own, never into the user's: what we trusted can be taken
 * back by removing it. The key is learnt through ssh itself, so aliases and bastions of the user's configuration hold.
 */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HostKey } from '../remote.js';
import type { Connection } from './ssh-connection.js';
import { sshFailure } from './ssh-failure.js';

const run = (
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ out: string; err: string }> =>
  new Promise((resolve, reject) =>
    execFile(program, [...words], { env, timeout: 60_000 }, (error, out, err) =>
      (error as NodeJS.ErrnoException | null)?.code === 'ENOENT' ? reject(error) : resolve({ out, err }),
    ),
  );

/**
 * The key a host shows, trusting nothing and logging nobody in.
 * @throws UserError `ssh.*` when it shows none.
 */
export async function presentedKey(connection: Connection): Promise<HostKey> {
  const { folder, env, target } = connection;
  const scratch = await mkdtemp(`${folder}/k`);
  try {
    const file = `${scratch}/known`;
    // The first value of an option holds, so these stand before ours.
    const words = await connection.freshWords({
      StrictHostKeyChecking: 'accept-new',
      UserKnownHostsFile: file,
      GlobalKnownHostsFile: '/dev/null',
      PreferredAuthentications: 'none',
      HashKnownHosts: 'no',
    });
    const { err } = await run('ssh', [...words, '--', target.address, 'exit'], env);
    const line = (await readFile(file, 'utf8').catch(() => '')).trim().split('\n')[0];
    if (!line) throw sshFailure(target, err);
    const { out } = await run('ssh-keygen', ['-l', '-f', file], env);
    return { line, type: line.split(' ')[1] ?? '', fingerprint: /SHA256:\S+/.exec(out)?.[0] ?? '' };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Adds the key to our own file; from then on ssh checks the host against it. */
export async function trustKey(knownHosts: string, key: HostKey): Promise<void> {
  await mkdir(dirname(knownHosts), { recursive: true, mode: 0o700 });
  await appendFile(knownHosts, `${key.line}\n`, { mode: 0o600 });
}
