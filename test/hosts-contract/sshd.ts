/** A private sshd on the loopback address, with keys, files and a port of its own; nothing of the user's is read. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import type { SshSettings, SshTarget } from '../../src/hosts/ssh.js';

export const sshdPath = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/sbin/sshd'].find(existsSync);

export interface Sshd {
  readonly port: number;
  readonly folder: string;
  readonly target: SshTarget;
  readonly settings: SshSettings;
  /** The user's own known hosts, as the configuration names it; holds this sshd's key. */
  readonly userKnownHosts: string;
  readonly pid: number;
  /** Ends the listener and every connection. */
  close(): Promise<void>;
}

const keygen = (file: string, comment: string): string => {
  if (!existsSync(file)) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').trim();
};

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('data', () => socket.destroy());
  });

/** Lines are added to its configuration; `knownTo: 'nobody'` leaves the user's known hosts empty. */
export async function startSshd(
  options: { readonly lines?: readonly string[]; readonly knownTo?: 'user' | 'nobody'; readonly port?: number } = {},
): Promise<Sshd> {
  const folder = mkdtempSync(`${tmpdir()}/dd-sshd-`);
  const port = options.port ?? (await freePort());
  const hostKey = keygen(`${folder}/host`, 'host');
  writeFileSync(`${folder}/authorized`, `${keygen(`${folder}/id`, 'id')}\n`, { mode: 0o600 });
  const userKnownHosts = `${folder}/user_known`;
  writeFileSync(userKnownHosts, options.knownTo === 'nobody' ? '' : `[127.0.0.1]:${port} ${hostKey}\n`);
  writeFileSync(
    `${folder}/ssh_config`,
    `UserKnownHostsFile ${userKnownHosts}\nIdentityAgent none\nIdentitiesOnly yes\n`,
  );
  writeFileSync(`${folder}/sshd_config`, configuration(folder, port, options.lines ?? []));
  // The folder the daemon locks itself into; Debian's service makes it.
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const child = spawn(sshdPath!, ['-D', '-e', '-f', `${folder}/sshd_config`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  for (let i = 0; !(await answers(port)); i += 1) {
    if (child.exitCode !== null || i > 100) throw new Error(`sshd does not answer: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return {
    port,
    folder,
    userKnownHosts,
    pid: child.pid!,
    target: {
      name: 'over-ssh',
      address: '127.0.0.1',
      port,
      user: userInfo().username,
      identityFile: `${folder}/id`,
    },
    settings: { knownHosts: `${folder}/ours/known_hosts`, configFile: `${folder}/ssh_config`, connectTimeoutS: 5 },
    async close() {
      const over = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null) {
        for (const pid of sessionsOf(child.pid!)) end(pid);
        child.kill('SIGTERM');
        await over;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const configuration = (folder: string, port: number, lines: readonly string[]): string =>
  [
    ...lines,
    // bash reads a developer's ~/.bashrc for each command of sshd's, unless it is told that it is an inner shell.
    'SetEnv SHLVL=2',
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'MaxStartups 100:30:200',
    'LogLevel ERROR',
    '',
  ].join('\n');

/** The processes that serve a connection each: children of the listener. */
export const sessionsOf = (listener: number): number[] =>
  readFileSync(`/proc/${listener}/task/${listener}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
