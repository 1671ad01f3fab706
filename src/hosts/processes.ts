import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Processes } from '../world.js';

const run = (program: string, args: string[]): Promise<string | undefined> =>
  new Promise((resolve) => execFile(program, args, (error, stdout) => resolve(error ? undefined : stdout.trim())));

/**
 * Field 22 of /proc/<pid>/stat (start time in clock ticks since boot, proc(5)) together with the boot id. The command
 * name in field 2 may hold spaces and parentheses, so fields are counted from the last ')'.
 */
async function linuxIdentity(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const state = fields[0];
    return state === 'Z' || state === 'X' ? undefined : `${boot.trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

async function otherIdentity(pid: number): Promise<string | undefined> {
  const line = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
  return !line || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
}

const listens = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });

const answers = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port });
    const end = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });

export const systemProcesses: Processes = {
  pid: process.pid,
  uid: process.geteuid?.() ?? 0,
  identity: (pid) => (process.platform === 'linux' ? linuxIdentity(pid) : otherIdentity(pid)),
  kill(pid, signal) {
    try {
      return process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  },
  // A port that we may not bind ourselves (below 1024) is still free when nobody answers there.
  portFree: async (host, port) => !(await answers(host, port)) && (port < 1024 || (await listens(host, port))),
  freePort: () =>
    new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number };
        server.close(() => resolve(port));
      });
    }),
};
