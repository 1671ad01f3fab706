/** Real supervisors on real homes: built once, and nothing of them left behind. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemProcesses } from '../../src/hosts/processes.js';
import { realWorld } from '../../src/hosts/world.js';
import { type ProcessReport, parseReport, type Report } from '../../src/supervisor/report.js';
import type { ProcessSpec, Stack, Timing } from '../../src/supervisor/stack.js';
import { readSupervision, type Supervision } from '../../src/supervisor/status.js';
import type { World } from '../../src/world.js';

const root = new URL('../..', import.meta.url).pathname;
const quick: Timing = {
  backoffMs: 50,
  backoffMaxMs: 400,
  resetMs: 2000,
  crashes: 4,
  retryMs: 400,
  unhealthyMs: 2500,
  probeMs: 500,
  startProbeMs: 50,
  pollMs: 50,
  heartbeatMs: 200,
};

/** The supervisor as it is shipped, compiled into a package folder of its own. */
export function build(): string {
  const folder = mkdtempSync(`${tmpdir()}/supervisor-built-`);
  writeFileSync(`${folder}/package.json`, '{"type":"module"}');
  const options = ['--noEmit', 'false', '--outDir', `${folder}/dist`, '--rootDir', 'src', '--ignoreConfig'];
  const target = ['--target', 'es2023', '--module', 'nodenext', '--types', 'node', '--skipLibCheck'];
  const tsc = `${root}node_modules/typescript/bin/tsc`;
  const made = spawnSync(process.execPath, [tsc, ...options, ...target, 'src/supervisor.ts'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stdout + made.stderr);
  return folder;
}

/** A server that can be told to fail: its behaviour is read from `<home>/<id>.mood` at the start. */
const server = `
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
const [home, id, port] = process.argv.slice(2);
let mood = '';
try { mood = readFileSync(home + '/' + id + '.mood', 'utf8'); } catch {}
console.log('born', id, mood);
if (mood.includes('crash')) { console.error('Error: no such model'); process.exit(3); }
if (mood.includes('stubborn')) process.on('SIGTERM', () => console.log('no'));
if (mood.includes('parent')) {
  const sleeper = ['-e', 'setInterval(() => {}, 1000)', home, id + '-child'];
  spawn(process.execPath, sleeper, { stdio: 'ignore' });
  spawn(process.execPath, sleeper, { stdio: 'ignore', detached: true }).unref();
}
if (mood.includes('chatter')) setInterval(() => console.log('x'.repeat(200)), 5);
createServer((_, response) => {
  response.statusCode = mood.includes('sick') ? 503 : 200;
  response.end(id);
}).listen(Number(port), '127.0.0.1');
`;

export class Ground {
  readonly home: string;
  readonly world: World;
  readonly #built: string;

  /** @param under becomes part of the home's path */
  constructor(built: string, under = 'home') {
    this.#built = built;
    this.home = `${mkdtempSync(`${tmpdir()}/supervisor-`)}/${under}`;
    mkdirSync(`${this.home}/run`, { recursive: true });
    mkdirSync(`${this.home}/logs`);
    writeFileSync(`${this.home}/server.mjs`, server);
    const real = realWorld({ lang: 'en', json: false, yes: true }, built, new AbortController());
    this.world = { ...real, places: { ...real.places, home: this.home, package: built } };
  }

  async spec(id: string, more: Partial<ProcessSpec> = {}): Promise<ProcessSpec> {
    const port = await systemProcesses.freePort();
    return {
      id,
      argv: [process.execPath, `${this.home}/server.mjs`, this.home, id, String(port)],
      log: `${this.home}/logs/${id}.log`,
      ready: { url: `http://127.0.0.1:${port}/`, everyMs: 100, withinMs: 5000 },
      stop: { signal: 'SIGTERM', graceMs: 500 },
      ...more,
    };
  }

  mood(id: string, mood: string): void {
    writeFileSync(`${this.home}/${id}.mood`, mood);
  }

  stack(processes: readonly ProcessSpec[], more: Partial<Stack> = {}): void {
    const stack: Stack = { version: 1, processes, logs: { maxBytes: 1 << 20, keep: 2 }, timing: quick, ...more };
    writeFileSync(`${this.home}/run/stack.json`, JSON.stringify(stack), { mode: 0o600 });
  }

  /** As `world.host.start` does it. */
  start(as: { uid?: number; gid?: number } = {}): { readonly pid: number; readonly ended: Promise<number | null> } {
    const log = openSync(`${this.home}/logs/supervisor.log`, 'a', 0o600);
    const child = spawn(process.execPath, [`${this.#built}/dist/supervisor.js`, this.home], {
      detached: true,
      stdio: ['ignore', log, log],
      ...as,
    });
    closeSync(log);
    return { pid: child.pid!, ended: once(child, 'exit').then(([code]) => code as number | null) };
  }

  get report(): Report {
    const report = parseReport(readFileSync(`${this.home}/run/supervisor.json`, 'utf8'));
    if (!report) throw new Error('no report');
    return report;
  }

  process(id: string): ProcessReport {
    const found = this.report.processes.find((one) => one.id === id);
    if (!found) throw new Error(`no ${id}`);
    return found;
  }

  pidOf(id: string): number {
    const { pid } = this.process(id);
    if (pid === undefined) throw new Error(`${id} has no pid`);
    return pid;
  }

  log(id: string): string {
    return readFileSync(`${this.home}/logs/${id}.log`, 'utf8');
  }

  /** The events that the supervisors of this home wrote down. */
  events(): { readonly event: string; readonly id?: string }[] {
    return this.log('supervisor')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 15_000; ; ) {
      try {
        if (await holds()) return;
      } catch {
        // Not there yet.
      }
      if (Date.now() > end) {
        const report = existsSync(`${this.home}/run/supervisor.json`) ? JSON.stringify(this.report.processes) : '';
        throw new Error(`not so after 15 s: ${what}\n${report}\n${this.log('supervisor').slice(-3000)}`);
      }
      await sleep(20);
    }
  }

  async state(what: Supervision['state']): Promise<Supervision> {
    let last: Supervision | undefined;
    await this.until(what, async () => {
      last = await readSupervision(this.world);
      return last.state === what;
    });
    return last!;
  }

  /** Pids of the servers of an id, by their command line: not the supervisor's way to find them. */
  servers(id: string): number[] {
    return cmdlines().flatMap(({ pid, argv }) => {
      const at = argv.indexOf(this.home);
      return argv[0] === process.execPath && at > 0 && argv[at + 1] === id ? [pid] : [];
    });
  }

  supervisors(): number[] {
    const ours = cmdlines().filter(({ argv }) => argv[1]?.endsWith('/dist/supervisor.js') && argv[2] === this.home);
    return ours.map(({ pid }) => pid);
  }

  /** Every process that names this home in its command line, or whose output goes there. */
  clean(): void {
    for (let round = 0; round < 5; round++) {
      for (const { pid, argv } of cmdlines()) {
        if (pid !== process.pid && argv.some((word) => word.includes(this.home))) kill(pid);
      }
    }
    rmSync(this.home.slice(0, this.home.indexOf('/', tmpdir().length + 1)), { recursive: true, force: true });
  }
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

const cmdlines = (): { readonly pid: number; readonly argv: readonly string[] }[] =>
  readdirSync('/proc').flatMap((name) => {
    try {
      const argv = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return Number(name) > 0 && argv[0] ? [{ pid: Number(name), argv }] : [];
    } catch {
      return [];
    }
  });
