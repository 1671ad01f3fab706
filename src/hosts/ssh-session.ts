/** One ssh process that runs one script on a host, from the first byte sent to the end mark. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import type { Result } from '../world.js';
import { outputLimit, Section } from './ssh-output.js';
import { frame, type Marks, rootScript } from './ssh-script.js';

export type Input = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface Job {
  readonly marks: Marks;
  readonly script: string;
  /** Undefined: as the user who logs in. An empty password: sudo must not ask. */
  readonly sudo?: { readonly password: string };
  readonly input?: Input | undefined;
  /** Milliseconds the command itself may take; 0 is no limit. */
  readonly timeoutMs: number;
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Ends the command's process group over there. */
  readonly end: (group: number) => Promise<void>;
}

/** How it went, when no result came: which of the three it was decides what to say. */
export class Broken extends Error {
  constructor(
    readonly phase: 'connect' | 'sudo' | 'command',
    readonly said: string,
  ) {
    super(said);
  }
}

// Sudo may ask a slow directory service; the remote side enforces the command's own limit, 5 s later by force.
const beginWithinMs = 60_000;
const endGraceMs = 15_000;
const abortGraceMs = 8_000;

/** @throws Broken when the end mark did not come; the error of `spawn` when there is no ssh. */
export async function runJob(words: readonly string[], env: NodeJS.ProcessEnv, job: Job): Promise<Result> {
  if (job.signal?.aborted) return { code: 130, stdout: '', stderr: '' };
  // In a session of its own: Ctrl-C in the terminal reaches us, and we decide what happens over there.
  const child = spawn('ssh', words, { detached: true, stdio: 'pipe', env });
  return new Session(child, job).run();
}

class Session {
  readonly #out: Section;
  readonly #err: Section;
  readonly #startedAt = performance.now();
  #begunAt: number | undefined;
  #ready = false;
  #aborting = false;
  #timer: NodeJS.Timeout | undefined;
  #settle!: { resolve(result: Result): void; reject(error: unknown): void };

  constructor(
    readonly child: ChildProcessWithoutNullStreams,
    readonly job: Job,
  ) {
    this.#out = new Section(job.marks, job.onLine);
    this.#err = new Section(job.marks, job.onLine);
  }

  async run(): Promise<Result> {
    const onAbort = (): void => this.#abort();
    this.job.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const result = await new Promise<Result>((resolve, reject) => {
        this.#settle = { resolve, reject };
        this.#listen();
        this.#within(beginWithinMs);
        this.#sendFirst();
      });
      return this.job.signal?.aborted ? { ...result, code: 130 } : result;
    } finally {
      clearTimeout(this.#timer);
      this.job.signal?.removeEventListener('abort', onAbort);
      this.#dismiss();
    }
  }

  #listen(): void {
    const { child } = this;
    for (const [stream, section] of [
      [child.stdout, this.#out],
      [child.stderr, this.#err],
    ] as const) {
      const decoder = new StringDecoder('utf8');
      stream.on('data', (chunk: Buffer) => this.#heard(section, decoder.write(chunk)));
    }
    // A command that does not read its input leaves us writing into a closed pipe; its status says enough.
    child.stdin.on('error', () => {});
    child.once('error', (error) => this.#settle.reject(error));
    child.once('close', () => this.#closed());
  }

  #heard(section: Section, text: string): void {
    section.feed(text);
    if (section.length > outputLimit) this.#settle.reject(new Error('a command wrote more than 64 MiB'));
    const out = this.#out;
    if (!this.#ready) this.#askedForPassword();
    if (this.#begunAt === undefined && out.group !== undefined) this.#begun();
    if (out.code !== undefined && this.#err.code !== undefined) this.#ended(out.code);
  }

  #askedForPassword(): void {
    if (this.#out.head.includes(this.job.marks.ready)) this.#sendRest();
    // Nothing more than this one password is ever given: a second wrong one might lock the account.
    else if (/try again|incorrect password/i.test(this.#err.head)) this.child.stdin.end();
  }

  #begun(): void {
    this.#begunAt = performance.now();
    clearTimeout(this.#timer);
    if (this.#aborting) this.#endRemote();
    else if (this.job.timeoutMs > 0) this.#within(this.job.timeoutMs + endGraceMs);
  }

  #within(ms: number): void {
    this.#timer = setTimeout(() => this.#settle.reject(this.#broken()), ms);
  }

  async #ended(code: number): Promise<void> {
    // The begin mark may have travelled longer than the end mark.
    const late = this.job.timeoutMs > 0 && performance.now() - this.#begunAt! >= 0.9 * this.job.timeoutMs;
    const timedOut = late && (code === 124 || code === 137);
    // What ignored TERM has no leader left that `timeout` could wait for.
    if (timedOut && this.#out.group) await this.job.end(this.#out.group).catch(() => {});
    this.#settle.resolve(this.#result(timedOut ? 124 : code));
  }

  #result(code: number): Result {
    return { code, stdout: this.#out.text(), stderr: this.#err.text() };
  }

  #closed(): void {
    if (this.#out.code !== undefined && this.#err.code !== undefined) return;
    if (this.#aborting) this.#settle.resolve(this.#result(130));
    else this.#settle.reject(this.#broken());
  }

  #broken(): Broken {
    if (this.#begunAt !== undefined) return new Broken('command', this.#err.text());
    const said = this.#err.head + this.#out.head;
    const silent = performance.now() - this.#startedAt >= beginWithinMs ? `${said}\ntimed out` : said;
    return new Broken(this.child.exitCode === 255 || !this.job.sudo ? 'connect' : 'sudo', silent);
  }

  #sendFirst(): void {
    const { sudo, marks, script } = this.job;
    if (!sudo) {
      this.#ready = true;
      this.child.stdin.write(frame(script));
      return void this.#sendInput();
    }
    this.child.stdin.write(frame(rootScript(marks, sudo.password !== '')));
    if (sudo.password === '') this.#sendRest();
    else this.child.stdin.write(`${sudo.password}\n`);
  }

  #sendRest(): void {
    this.#ready = true;
    this.child.stdin.write(`${this.job.marks.script}\n${frame(this.job.script)}`);
    void this.#sendInput();
  }

  async #sendInput(): Promise<void> {
    const { stdin } = this.child;
    const { input } = this.job;
    try {
      if (typeof input === 'string' || input instanceof Uint8Array) stdin.write(input);
      else if (input) {
        for await (const chunk of input) {
          if (!stdin.writable) return;
          if (!stdin.write(chunk)) await this.#drained();
        }
      }
      stdin.end();
    } catch (error) {
      this.#settle.reject(error);
    }
  }

  /** Also ends when nobody will ever read it. */
  #drained(): Promise<void> {
    const { stdin } = this.child;
    return new Promise((resolve) => {
      const over = (): void => {
        stdin.off('drain', over).off('close', over);
        resolve();
      };
      stdin.on('drain', over).on('close', over);
    });
  }

  #abort(): void {
    this.#aborting = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle.resolve(this.#result(130)), abortGraceMs);
    if (this.#begunAt !== undefined) this.#endRemote();
    // Not begun yet: it may begin any moment, and is then ended over there.
    else if (!this.#ready) this.child.stdin.end();
  }

  #endRemote(): void {
    if (this.#out.group) this.job.end(this.#out.group).catch(() => {});
  }

  /** Whatever still holds the streams over there (a daemon the command left behind) does not hold us. */
  #dismiss(): void {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const timer = setTimeout(() => child.kill('SIGTERM'), 200);
    child.once('exit', () => clearTimeout(timer));
    timer.unref();
    child.unref();
  }
}
