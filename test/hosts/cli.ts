/** The program as a process of its own, as a user would type it; it can be killed. */
import { spawn } from 'node:child_process';

export interface Told {
  readonly code: number | null;
  readonly text: string;
  readonly ms: number;
}

export interface How {
  readonly stdin?: string;
  /** The run is sent the signal once it has said this, or once this holds for all it has said so far. */
  readonly killAt?: RegExp | ((text: string) => boolean);
  /** The same, once this is settled. */
  readonly killOnce?: Promise<unknown>;
  /** So long after that, ms. */
  readonly killAfterMs?: number;
  /** Default SIGKILL. */
  readonly signal?: NodeJS.Signals;
}

const loader = `file://${process.cwd()}/node_modules/tsx/dist/loader.mjs`;

/**
 * @param main the program: `src/main.ts`, or one with other steps
 * @param folder where it is typed; its home is `home` below
 */
export function cli(main: string, folder: string): (words: string, how?: How) => Promise<Told> {
  return (words, how = {}) => {
    const startedAt = performance.now();
    const child = spawn(process.execPath, ['--import', loader, main, ...words.split(' ')], {
      cwd: folder,
      env: { ...process.env, DEEPSEEK_DEPLOY_HOME: `${folder}/home` },
      stdio: 'pipe',
    });
    let text = '';
    let killed = false;
    const kill = (): void => {
      killed = true;
      setTimeout(() => child.kill(how.signal ?? 'SIGKILL'), how.killAfterMs ?? 0);
    };
    void how.killOnce?.then(kill);
    const heard = (said: Buffer): void => {
      text += said;
      const { killAt } = how;
      if (killed || killAt === undefined || !(typeof killAt === 'function' ? killAt(text) : killAt.test(text))) return;
      kill();
    };
    child.stdout.on('data', heard);
    child.stderr.on('data', heard);
    child.stdin.on('error', () => {});
    child.stdin.end(how.stdin ?? '');
    return new Promise((resolve) =>
      child.once('close', (code) => resolve({ code, text, ms: Math.round(performance.now() - startedAt) })),
    );
  };
}
