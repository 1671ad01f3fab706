/**
 * A host in memory for scenarios: strict (a command nobody expects fails the test), with files, programs that are
 * functions, a power switch and a cable. The contract in test/hosts-contract holds for it as for the real ones.
 */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { type Command, isSupply, show } from '../../src/command.js';
import { UserError } from '../../src/errors.js';
import { say } from '../../src/say.js';
import type { Background, Clock, Files, Host, PutOptions, Result, RunOptions, Upload } from '../../src/world.js';
import { fakeFiles } from './fake.js';

export interface Call {
  readonly command: Command;
  readonly host: SimulatedHost;
  /** The words after the program, or after a script's name. */
  readonly args: readonly string[];
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly root: boolean;
  /** Output as it comes; what the answer brings follows it. */
  out(text: string): void;
  err(text: string): void;
  /** Rejects when the command is ended meanwhile. */
  sleep(ms: number): Promise<void>;
}

export type Reply = Partial<Result> | ((call: Call) => Partial<Result> | Promise<Partial<Result>>);

export interface SimulatedOptions {
  readonly name?: string;
  readonly clock: Clock;
  /** Programs by their first word, scripts of `sh -c` by their text, else by the beginning of the shown command. */
  readonly programs: Readonly<Record<string, Reply>>;
  /** Scripts of `sh -c` that are known by a part of their text; asked after `programs`. */
  readonly scripts?: (script: string) => Reply | undefined;
  /** The user that logs in is root, or may become it. Default 'root'. */
  readonly privilege?: 'root' | 'sudo' | 'none';
  /** How long the way to it and back takes, ms. Default 0. */
  readonly latencyMs?: () => number;
  /** Called before each command and each change of a file: a test that kills us throws here. */
  readonly before?: (what: string) => void;
}

export interface SimulatedHost extends Host {
  readonly disk: Map<string, { content: Uint8Array; mode: number; mtimeMs: number; owner?: string }>;
  /** Modes by path. */
  readonly folders: Map<string, number>;
  /** As root sees them. */
  readonly files: Files;
  /** Every command as the dry run would print it. */
  readonly ran: string[];
  /** Commands, and files read or changed. */
  readonly calls: { now: number };
  readonly background: Map<number, string>;
  /** 'off': nobody answers. 'cut': the next command begins and its connection breaks. */
  power: 'on' | 'off' | 'cut';
}

class Ended extends Error {}

const failure = (id: string, name: string, words: string): UserError =>
  new UserError(id, say(`${name}: ${words}`, `${name}:${words}`), { exit: id === 'ssh.lost' ? 'failed' : 'unready' });

const given = async (value: string | { get(): Promise<string> }): Promise<string> =>
  isSupply(value) ? value.get() : (value as string);

export function simulatedHost(options: SimulatedOptions): SimulatedHost {
  return new Simulated(options);
}

class Simulated implements SimulatedHost {
  readonly name: string;
  readonly disk: SimulatedHost['disk'] = new Map();
  readonly folders = new Map(['/tmp', '/root', '/etc', '/run', '/var', '/var/lib'].map((path) => [path, 0o755]));
  readonly files: Files;
  readonly ran: string[] = [];
  readonly calls = { now: 0 };
  readonly background = new Map<number, string>();
  power: SimulatedHost['power'] = 'on';
  #pid = 1000;

  constructor(readonly options: SimulatedOptions) {
    this.name = options.name ?? 'simulated';
    this.files = this.#reached(fakeFiles(this.disk, this.folders, options.clock));
  }

  async run(command: Command, options: RunOptions = {}): Promise<Result> {
    if (options.signal?.aborted) return { code: 130, stdout: '', stderr: '' };
    await this.#reach();
    this.options.before?.(show(command));
    this.ran.push(show(command));
    this.#mayBeRoot(command.sudo);
    const reply = this.#find(command);
    if (this.power === 'cut') {
      this.power = 'on';
      throw failure('ssh.lost', this.name, 'the connection broke in the middle of a command');
    }
    if (command.cwd !== undefined && !this.folders.has(command.cwd)) return missing('no such folder');
    return reply === undefined ? missing(`${command.argv[0]}: not found`) : this.#perform(command, reply, options);
  }

  async start(command: Command, log: string): Promise<Background> {
    await this.#reach();
    this.ran.push(show(command));
    this.#mayBeRoot(command.sudo);
    if (this.#find(command) === undefined) throw new Error(`${command.argv[0]}: not found`);
    this.#needFolder(log);
    this.#pid += 1;
    this.background.set(this.#pid, show(command));
    return { pid: this.#pid };
  }

  async put(path: string, content: string | Uint8Array | Upload, options: PutOptions = {}): Promise<void> {
    await this.#reach();
    this.#mayBeRoot(options.sudo);
    const text = await textOf(content);
    if (text === undefined) throw failure('file.write', this.name, 'the content arrived damaged');
    if (this.folders.has(path)) throw failure('file.write', this.name, 'it is a folder');
    this.#needFolder(path);
    this.options.before?.(`put ${path}`);
    const mtimeMs = this.options.clock.now();
    const bytes = new TextEncoder().encode(text);
    this.disk.set(path, { content: bytes, mode: options.mode ?? 0o600, mtimeMs, owner: options.owner ?? 'root:root' });
  }

  async read(path: string, { sudo = false } = {}): Promise<string | undefined> {
    await this.#reach();
    this.#mayBeRoot(sudo);
    if (this.folders.has(path)) throw failure('file.read', this.name, 'Is a directory');
    const file = this.disk.get(path);
    return file && new TextDecoder().decode(file.content);
  }

  /** Nobody reads or writes them while the host is off. */
  #reached(files: Files): Files {
    const reading = new Set(['read', 'readIfAny', 'readBytes', 'list', 'stat', 'hash', 'free']);
    const guarded = Object.entries(files).map(([name, work]) => [
      name,
      async (...args: unknown[]) => {
        await this.#reach();
        this.#mayBeRoot(true);
        if (!reading.has(name)) this.options.before?.(`${name} ${args[0]}`);
        return (work as (...all: unknown[]) => unknown)(...args);
      },
    ]);
    return Object.fromEntries(guarded) as Files;
  }

  async #reach(): Promise<void> {
    this.calls.now += 1;
    const latency = this.options.latencyMs?.() ?? 0;
    if (latency > 0) await this.options.clock.sleep(latency);
    if (this.power === 'off') throw failure('ssh.timeout', this.name, 'it does not answer in time');
  }

  #mayBeRoot(sudo: boolean | undefined): void {
    if (sudo && this.options.privilege === 'none') throw failure('sudo.not-allowed', this.name, 'may not become root');
  }

  #needFolder(path: string): void {
    if (!this.folders.has(posix.dirname(path))) throw failure('file.write', this.name, 'No such file or directory');
  }

  /** Undefined where the program is known not to be there. @throws Error for what the test does not expect. */
  #find(command: Command): Reply | undefined {
    const { programs } = this.options;
    const [program, flag, script] = command.argv;
    if (program === 'sh' && flag === '-c' && script !== undefined && Object.hasOwn(programs, script))
      return programs[script];
    const known = program === 'sh' && flag === '-c' && script !== undefined && this.options.scripts?.(script);
    if (known) return known;
    const line = show({ ...command, sudo: false, env: {} });
    const longest = Object.keys(programs)
      .filter((key) => line === key || line.startsWith(`${key} `))
      .sort((a, b) => b.length - a.length)[0];
    if (longest !== undefined) return programs[longest];
    if (program.includes('no-such-program')) return undefined;
    throw new Error(`${this.name}: nobody expected this command: ${show(command)}`);
  }

  async #perform(command: Command, reply: Reply, options: RunOptions): Promise<Result> {
    const output = new Output(options.onLine);
    const ended = new AbortController();
    const call = await this.#call(command, output, ended.signal);
    const why = { code: 0 };
    const end = (code: number): void => {
      why.code = code;
      ended.abort(new Ended());
    };
    const onAbort = (): void => end(130);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const { timeoutMs = 30_000 } = command;
    const over = new AbortController();
    if (timeoutMs > 0)
      this.options.clock.sleep(timeoutMs, over.signal).then(
        () => end(124),
        () => {},
      );
    try {
      const answer = typeof reply === 'function' ? await reply(call) : reply;
      output.add('stdout', answer.stdout ?? '');
      output.add('stderr', answer.stderr ?? '');
      return output.result(answer.code ?? 0);
    } catch (error) {
      if (error instanceof Ended) return output.result(why.code);
      throw error;
    } finally {
      over.abort(new Ended());
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  async #call(command: Command, output: Output, signal: AbortSignal): Promise<Call> {
    const env = await Promise.all(
      Object.entries(command.env ?? {}).map(async ([name, value]) => [name, await given(value)] as const),
    );
    const script = command.argv[0] === 'sh' && command.argv[1] === '-c';
    return {
      command,
      host: this,
      args: command.argv.slice(script ? 4 : 1),
      stdin: command.stdin === undefined ? '' : await given(command.stdin),
      env: Object.fromEntries(env),
      cwd: command.cwd ?? '/root',
      root: command.sudo === true || (this.options.privilege ?? 'root') === 'root',
      out: (text) => output.add('stdout', text),
      err: (text) => output.add('stderr', text),
      sleep: (ms) => this.options.clock.sleep(ms, signal),
    };
  }
}

const missing = (stderr: string): Result => ({ code: 127, stdout: '', stderr: `${stderr}\n` });

class Output {
  readonly #text = { stdout: '', stderr: '' };
  readonly #line = { stdout: '', stderr: '' };

  constructor(readonly onLine: ((line: string) => void) | undefined) {}

  add(stream: 'stdout' | 'stderr', text: string): void {
    this.#text[stream] += text;
    const lines = (this.#line[stream] + text).split('\n');
    this.#line[stream] = lines.pop()!;
    for (const line of lines) this.onLine?.(line);
  }

  result(code: number): Result {
    for (const rest of [this.#line.stdout, this.#line.stderr]) if (rest) this.onLine?.(rest);
    return { code, ...this.#text };
  }
}

/** Undefined when an upload is not what its hash says. */
async function textOf(content: string | Uint8Array | Upload): Promise<string | undefined> {
  if (typeof content === 'string') return content;
  if (content instanceof Uint8Array) return new TextDecoder().decode(content);
  const parts: Uint8Array[] = [];
  for await (const chunk of content.chunks()) parts.push(chunk);
  const all = Buffer.concat(parts);
  return createHash('sha256').update(all).digest('hex') === content.sha256 ? all.toString() : undefined;
}
