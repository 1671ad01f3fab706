/** The packed tarball, installed in an empty folder as a user has it: everything below is real. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Stage {
  /** The folder the tarball was installed in. */
  readonly folder: string;
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly bin: string;
  type(...words: string[]): Promise<Answer>;
  /** Starts a command and kills it -9, with nothing else, after so many ms. */
  typeAndKill(ms: number, ...words: string[]): Promise<void>;
  json(...words: string[]): Promise<Record<string, unknown>>;
  /** Pids that live and carry this stage's home in their command line. */
  processes(): number[];
  remove(): Promise<void>;
}

function pack(folder: string): void {
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
  });
  const file = join(folder, packed.trim().split('\n').at(-1)!);
  execFileSync('npm', ['init', '--yes', '--silent'], { cwd: folder });
  execFileSync('npm', ['install', '--silent', '--omit=dev', file], { cwd: folder });
}

const linesOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

export function stage(): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'deepseek-journey-'));
  pack(folder);
  const home = join(folder, 'home');
  const env = {
    ...process.env,
    DEEPSEEK_DEPLOY_HOME: home,
    XDG_CACHE_HOME: join(folder, 'cache'),
    LC_ALL: 'C.UTF-8',
    CI: '1',
  };
  const bin = join(folder, 'node_modules/.bin/deepseek-deploy');
  const type = (...words: string[]): Promise<Answer> =>
    new Promise((resolve) => {
      execFile(bin, words, { env, cwd: folder, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
      );
    });
  const processes = (): number[] =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && linesOf(name).includes(home))
      .map(Number)
      .filter((pid) => pid !== process.pid);
  return {
    folder,
    home,
    env,
    bin,
    type,
    typeAndKill: (ms, ...words) =>
      new Promise((resolve) => {
        const child = spawn(bin, words, { env, cwd: folder, stdio: 'ignore' });
        setTimeout(() => child.kill('SIGKILL'), ms);
        child.once('close', () => resolve());
      }),
    async json(...words) {
      const { stdout, stderr } = await type(...words, '--json');
      try {
        return JSON.parse(stdout) as Record<string, unknown>;
      } catch {
        throw new Error(`no JSON from ${words.join(' ')}: ${stdout}${stderr}`);
      }
    },
    processes,
    async remove() {
      await type('down', '--purge', '--audit-log', '--yes');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
