/** Interfaces only: everything outside the program is reached through a World, so that a whole command runs in a test. */
import type { Command } from './command.js';
import type { Ssh, SshSettings } from './remote.js';
import type { Lang, Text } from './say.js';

export interface Result {
  /** Exit status; 127 when the program was not found, 124 when it ran past its time, 128+n when signal n ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Called for each whole line of either stream, as it comes. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface Background {
  readonly pid: number;
}

/** Something that runs commands. */
export interface Host {
  readonly name: string;
  /** Never throws for what the command does: the exit status tells. */
  run(command: Command, options?: RunOptions): Promise<Result>;
  /** Starts a process that outlives us, in a session of its own, both streams appended to `log`. */
  start(command: Command, log: string): Promise<Background>;
  /**
   * Whole or not at all: written beside, its hash checked, synced, renamed. The folder must be there.
   * Rejects with UserError `file.write`.
   */
  put(path: string, content: string | Uint8Array | Upload, options?: PutOptions): Promise<void>;
  /** UTF-8 text; undefined for a path that is not there. Rejects with UserError `file.read`. */
  read(path: string, options?: { readonly sudo?: boolean }): Promise<string | undefined>;
}

export interface PutOptions {
  /** Default 0600. */
  readonly mode?: number;
  /** `user:group`, by name or number. Default: who writes. */
  readonly owner?: string;
  /** Written as root. */
  readonly sudo?: boolean;
}

/** Content too large for memory. */
export interface Upload {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface Stat {
  readonly size: number;
  readonly mode: number;
  readonly mtimeMs: number;
  readonly directory: boolean;
}

export interface Sink {
  write(chunk: Uint8Array): Promise<void>;
  /** Flushes to disk and closes. */
  close(): Promise<void>;
}

/** This machine's files. Paths are absolute. Only `read*` and `hash` reject for a path that is not there. */
export interface Files {
  read(path: string): Promise<string>;
  readIfAny(path: string): Promise<string | undefined>;
  readBytes(path: string, range?: { readonly from: number; readonly length: number }): Promise<Uint8Array>;
  /** Whole or not at all: written beside, synced, renamed. Default mode 0600. */
  write(path: string, content: string | Uint8Array, mode?: number): Promise<void>;
  append(path: string, content: string): Promise<void>;
  /** Creates the file with this content, or says false when it is there already. */
  create(path: string, content: string, mode?: number): Promise<boolean>;
  /** With parents; default mode 0700. */
  makeDir(path: string, mode?: number): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  stat(path: string): Promise<Stat | undefined>;
  rename(from: string, to: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  chown(path: string, uid: number, gid: number): Promise<void>;
  /** A file, a link, or a folder with all that is in it. */
  remove(path: string): Promise<void>;
  /** A folder, only when nothing is in it; says whether it is gone. */
  removeEmpty(path: string): Promise<boolean>;
  sink(path: string, append: boolean): Promise<Sink>;
  /** Lower-case hex SHA-256. */
  hash(path: string, onBytes?: (count: number) => void): Promise<string>;
  /** Bytes free to us on the file system that holds the path (or its nearest existing parent). */
  free(path: string): Promise<number>;
}

export interface HttpRequest {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Until the response headers, in ms. Default 10 000; 0 is no limit. */
  readonly timeoutMs?: number;
  /** Without a byte of the body, in ms; then it ends with an error. Default 0: no limit. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /** With https: the CA to trust, in PEM, in place of the system's. No proxy is asked then. */
  readonly ca?: string;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; several values joined by ', '. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  text(): Promise<string>;
}

/** Times are `clock.monotonic()` stamps taken first thing when the event reaches us. */
export interface StreamHandler {
  /** A connection is there and the request is about to be written: what came before was waiting for it. */
  onSent?(at: number): void;
  onHeaders(status: number, headers: Readonly<Record<string, string>>, at: number): void;
  onData(chunk: Uint8Array, at: number): void;
  /** Exactly one of onEnd and onError is called, once. */
  onEnd(at: number): void;
  onError(error: Error, at: number): void;
}

export interface Http {
  /**
   * Rejects with the network's error only; any status is an answer. Follows no redirect. The body wants to be read to
   * its end (or the signal aborted): its connection is held until then.
   */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** The load generator's path: no promise per chunk, connections kept open, one request at a time on each. */
  stream(request: HttpRequest, handler: StreamHandler): void;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds, fractional, never going back. */
  monotonic(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Processes {
  readonly pid: number;
  /** Effective user id; 0 is root. */
  readonly uid: number;
  /**
   * Boot id and start time of a living process (not a zombie), or undefined: with the pid it names one process for
   * good, also over a power cut.
   */
  identity(pid: number): Promise<string | undefined>;
  /** False when there is no such process. */
  kill(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 'SIGHUP' | 'SIGQUIT' | 'SIGUSR1'): boolean;
  /** Whether something accepts or holds this TCP port on the address. */
  portFree(host: string, port: number): Promise<boolean>;
  /** A TCP port of the loopback address that was free just now. */
  freePort(): Promise<number>;
}

/** Meaning, not colour: a terminal without colours shows the same words. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
  accent(text: string): string;
}

export interface Choice<T> {
  readonly value: T;
  readonly name: Text;
  readonly note?: Text;
}

export interface TaskSink {
  start(id: string): void;
  /** A short note behind the running task: '412 of 1,120 MB'. */
  note(id: string, note: Text): void;
  skip(id: string, why: Text): void;
  done(id: string): void;
  fail(id: string, why: Text): void;
  /** After the last event; restores the terminal. */
  end(): Promise<void>;
}

/** Many hosts side by side, each at a step of its own. */
export interface LaneSink {
  /** The lane begins its step number `at`, from 1. */
  begin(lane: string, title: Text, at: number): void;
  note(lane: string, note: Text): void;
  /** The step it had begun is brought about. */
  finish(lane: string, title: Text, ms: number): void;
  wait(lane: string, what: Text): void;
  end(lane: string, state: LaneEnd, why?: Text): void;
  /** After the last event; restores the terminal. */
  close(): Promise<void>;
}

/** 'blocked': it waited for another that failed. */
export type LaneEnd = 'done' | 'failed' | 'blocked' | 'stopped';

export interface Ui {
  readonly lang: Lang;
  readonly paint: Paint;
  /** Columns of the terminal; 80 where there is none. */
  readonly width: number;
  /** Whether a person sits there who can be asked. */
  readonly interactive: boolean;
  text(text: Text): string;
  /** A line for people: standard output, or standard error once `json` was asked for. */
  line(text?: Text | string): void;
  /** Raw machine output on standard output. */
  out(text: string): void;
  /** A line for people on standard error. */
  error(text: string): void;
  tasks(list: readonly { readonly id: string; readonly title: Text }[]): Promise<TaskSink>;
  /** @param lanes each with the number of its steps */
  lanes(lanes: readonly { readonly name: string; readonly steps: number }[]): Promise<LaneSink>;
  /** A spinner while the work runs, a plain line where there is no terminal. */
  wait<T>(text: Text, work: (note: (text: Text) => void) => Promise<T>): Promise<T>;
  input(question: Text, initial: string, check?: (value: string) => Text | undefined): Promise<string>;
  select<T>(question: Text, choices: readonly Choice<T>[], initial: T): Promise<T>;
  confirm(question: Text, initial: boolean): Promise<boolean>;
  /** Typed without being shown; undefined where nobody can type. */
  secret(question: Text): Promise<string | undefined>;
}

export interface Places {
  /** DEEPSEEK_DEPLOY_HOME, or deepseek-deploy under the XDG state folder. */
  readonly home: string;
  /** deepseek-deploy under the XDG cache folder: downloads that deployments share. */
  readonly cache: string;
  /** The package's own folder: holds `dist` and `templates`. */
  readonly package: string;
  /** The Node that runs us. */
  readonly node: string;
}

export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly places: Places;
  readonly host: Host;
  readonly files: Files;
  readonly http: Http;
  readonly clock: Clock;
  readonly processes: Processes;
  readonly ui: Ui;
  /** The way to other hosts; to be closed. */
  ssh(settings: SshSettings): Promise<Ssh>;
  /** Standard input to its end, or its first `limit` bytes. */
  stdin(limit: number): Promise<Uint8Array>;
  /** `n` random bytes from the system. */
  random(n: number): Uint8Array;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly stop: AbortSignal;
}
