/** Real hosts on this machine for as long as a test needs them; see `up`. */
import { execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import type { SshSettings, SshTarget } from '../../src/hosts/ssh.js';

export interface Machine {
  readonly name: string;
  readonly address: string;
  /** The host's process 1, as this machine numbers it; another one after each boot. */
  readonly leader: number;
  /** How often it has come up. */
  readonly boots: number;
  /** Ends all of it at once. */
  cutPower(): void;
  /** Switches it on, where it is off; until sshd answers. */
  powerOn(): Promise<void>;
  /** As root, or as a user: `free` (sudo asks nothing), `asks` (its password is "right one"), `stranger` (no sudo). */
  target(user?: 'root' | 'free' | 'asks' | 'stranger'): SshTarget;
}

export interface Machines {
  readonly hosts: readonly Machine[];
  readonly settings: SshSettings;
  /** Until sshd answered on all of them. */
  readonly bootMs: number;
  close(): Promise<void>;
}

class Host implements Machine {
  leader = 0;
  boots = 0;
  readonly #up = new EventEmitter();

  constructor(
    readonly name: string,
    readonly address: string,
    readonly identityFile: string,
    readonly switchOn: () => void,
  ) {}

  cameUp(leader: number): void {
    this.leader = leader;
    this.boots += 1;
    this.#up.emit('up');
  }

  target(user = 'root'): SshTarget {
    const { name, address, identityFile } = this;
    return { name, address, user, identityFile };
  }

  cutPower(): void {
    process.kill(this.leader, 'SIGKILL');
  }

  async powerOn(): Promise<void> {
    const up = once(this.#up, 'up');
    this.switchOn();
    await up;
  }
}

/** @param base the program that makes their file system: Debian 12's, or one whose package manager is dnf */
export async function machines(count: number, base: 'base' | 'rhel' = 'base'): Promise<Machines> {
  const folder = mkdtempSync(`${tmpdir()}/dd-hosts-`);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${folder}/id`]);
  writeFileSync(`${folder}/ssh_config`, `UserKnownHostsFile ${folder}/user_known\nIdentityAgent none\n`);
  const startedAt = performance.now();
  // Apart from our process group: Ctrl-C ends us, and the end of its input tells it to tidy up.
  const child = spawn(`${import.meta.dirname}/up`, [String(count), `${folder}/id.pub`, base], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const over = new Promise<number | null>((resolve) => child.once('close', resolve));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const hosts: Host[] = [];
  const told = createInterface({ input: child.stdout });
  const ready = new Promise<void>((resolve) => {
    told.on('line', (line) => {
      const [word, name, address, leader] = line.split(' ') as [string, string, string, string];
      if (word === 'ready') return resolve();
      let host = hosts.find((one) => one.name === name);
      if (!host) {
        host = new Host(name, address, `${folder}/id`, () => child.stdin.write(`on ${name}\n`));
        hosts.push(host);
      }
      host.cameUp(Number(leader));
    });
  });
  await Promise.race([ready, over]);
  if (hosts.length < count) throw new Error(`the test hosts did not come up (${await over}):\n${said}`);
  hosts.sort((a, b) => a.name.localeCompare(b.name));
  return {
    hosts,
    bootMs: performance.now() - startedAt,
    settings: { knownHosts: `${folder}/known_hosts`, configFile: `${folder}/ssh_config`, newKeys: 'accept' },
    async close() {
      child.stdin.end();
      await over;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What the hosts' processors did so far, ms: it tells more than the clock of a machine that others use too. */
export const processorMs = ({ hosts }: Machines): number =>
  hosts.reduce((sum, { leader }) => {
    const group =
      /:(?:[\w,]*,)?cpuacct(?:,[\w,]*)?:(.*)$/m.exec(readFileSync(`/proc/${leader}/cgroup`, 'utf8'))?.[1] ?? '';
    return sum + Number(readFileSync(`/sys/fs/cgroup/cpuacct${group}/cpuacct.usage`, 'utf8')) / 1e6;
  }, 0);

/** Values of this machine's kernel that its hosts share and an install sets. @returns puts them back */
export function keptKernel(): () => void {
  const names = ['fs/inotify/max_user_instances', 'fs/inotify/max_user_watches', 'vm/max_map_count'];
  const before = names.map((name) => [`/proc/sys/${name}`, readFileSync(`/proc/sys/${name}`, 'utf8')] as const);
  return () => {
    for (const [path, value] of before) writeFileSync(path, value);
  };
}

/** What a run of test hosts must not leave on this machine: processes, links, rules, control groups, mounts. */
function traces(): string[] {
  const lines = (program: string, ...words: string[]) => execFileSync(program, words, { encoding: 'utf8' }).split('\n');
  return [
    ...lines('ps', '-eo', 'args').filter((line) => line.startsWith('systemd-nspawn ')),
    ...lines('ip', '-o', 'link').filter((line) => /: (vb-)?dd-/.test(line)),
    ...lines('iptables-save').filter((line) => /dd-|10\.77\./.test(line)),
    ...lines('sh', '-c', 'ls -d /sys/fs/cgroup/*/dd-* 2>/dev/null || true').filter(Boolean),
    ...readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes('deepseek-deploy-test')),
  ];
}

// Somebody else's, or of a run that was killed whole, which `up` takes away when it comes by.
const tracesBefore = new Set(traces());
export const newTraces = (): string[] => traces().filter((line) => !tracesBefore.has(line));
