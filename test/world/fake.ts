/** A world in memory: strict (a command nobody expects fails the test), with a clock that moves only when slept on. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { Command } from '../../src/command.js';
import { show } from '../../src/command.js';
import type { Lang, Text } from '../../src/say.js';
import type { Clock, Files, Host, Http, Paint, Processes, Result, Stat, TaskSink, Ui, World } from '../../src/world.js';

export interface FakeWorld extends World {
  readonly disk: Map<string, { content: Uint8Array; mode: number; mtimeMs: number }>;
  readonly folders: Map<string, number>;
  /** What people saw, without colours. */
  readonly shown: string[];
  readonly out: string[];
  readonly errors: string[];
  /** Every command that ran, as the dry run would print it. */
  readonly ran: string[];
  readonly started: string[];
  readonly alive: Map<number, string>;
  readonly abort: AbortController;
}

export type Answer =
  | Partial<Result>
  | ((command: Command, world: FakeWorld) => Partial<Result> | Promise<Partial<Result>>);

export interface FakeOptions {
  readonly lang?: Lang;
  readonly env?: Record<string, string>;
  readonly uid?: number;
  /** First match wins; a string matches the beginning of the shown command. */
  readonly commands?: readonly (readonly [string | RegExp, Answer])[];
  readonly http?: Http;
  /** Answers to questions, by a word of the English question. */
  readonly answers?: Readonly<Record<string, unknown>>;
  readonly interactive?: boolean;
  readonly takenPorts?: ReadonlySet<number>;
  readonly stdin?: string | Uint8Array;
  readonly ssh?: World['ssh'];
  /** Default: one that moves only when slept on. */
  readonly clock?: Clock;
  /** What a started background process does; its pid lives already. */
  readonly onStart?: (line: string, pid: number, world: FakeWorld) => Promise<void>;
  /** What a signal does; without it every signal ends the process. */
  readonly onSignal?: (pid: number, signal: string, world: FakeWorld) => void;
}

const encode = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

const absent = (path: string): Error => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });

export function fakeFiles(disk: FakeWorld['disk'], folders: FakeWorld['folders'], clock: Clock): Files {
  const need = (path: string) => {
    const file = disk.get(path);
    if (!file) throw absent(path);
    return file;
  };
  const put = (path: string, content: Uint8Array, mode: number): void => {
    if (!folders.has(dirname(path)) && dirname(path) !== '/') throw absent(dirname(path));
    disk.set(path, { content, mode, mtimeMs: clock.now() });
  };
  const under = (path: string) => [...disk.keys(), ...folders.keys()].filter((name) => name.startsWith(`${path}/`));
  return {
    read: async (path) => new TextDecoder().decode(need(path).content),
    readIfAny: async (path) => (disk.has(path) ? new TextDecoder().decode(need(path).content) : undefined),
    readBytes: async (path, range) => {
      const { content } = need(path);
      return range ? content.subarray(range.from, range.from + range.length) : content;
    },
    write: async (path, content, mode = 0o600) => put(path, encode(content), mode),
    append: async (path, content) => {
      const before = disk.get(path)?.content ?? new Uint8Array();
      put(path, Buffer.concat([before, encode(content)]), disk.get(path)?.mode ?? 0o600);
    },
    create: async (path, content, mode = 0o600) => {
      if (disk.has(path)) return false;
      put(path, encode(content), mode);
      return true;
    },
    makeDir: async (path, mode = 0o700) => {
      for (let at = path; at !== '/' && !folders.has(at); at = dirname(at)) folders.set(at, mode);
    },
    list: async (path) => [...new Set(under(path).map((name) => name.slice(path.length + 1).split('/')[0]!))],
    stat: async (path): Promise<Stat | undefined> => {
      const file = disk.get(path);
      if (file) return { size: file.content.length, mode: file.mode, mtimeMs: file.mtimeMs, directory: false };
      const mode = folders.get(path);
      return mode === undefined ? undefined : { size: 0, mode, mtimeMs: 0, directory: true };
    },
    rename: async (from, to) => {
      for (const name of [from, ...under(from)]) {
        const file = disk.get(name);
        const folder = folders.get(name);
        if (file) disk.set(to + name.slice(from.length), file);
        if (folder !== undefined) folders.set(to + name.slice(from.length), folder);
        disk.delete(name);
        folders.delete(name);
      }
    },
    chmod: async (path, mode) => {
      const file = disk.get(path);
      if (file) file.mode = mode;
      else if (folders.has(path)) folders.set(path, mode);
      else throw absent(path);
    },
    chown: async () => {},
    remove: async (path) => {
      for (const name of [path, ...under(path)]) {
        disk.delete(name);
        folders.delete(name);
      }
    },
    removeEmpty: async (path) => {
      if (under(path).length > 0) return false;
      if (disk.has(path)) return false;
      folders.delete(path);
      return true;
    },
    sink: async (path, append) => {
      const parts: Uint8Array[] = append && disk.has(path) ? [need(path).content] : [];
      put(path, Buffer.concat(parts), 0o600);
      return {
        write: async (chunk) => {
          parts.push(chunk);
          put(path, Buffer.concat(parts), 0o600);
        },
        close: async () => {},
      };
    },
    hash: async (path) => createHash('sha256').update(need(path).content).digest('hex'),
    free: async () => 100e9,
  };
}

const plain: Paint = { good: same, bad: same, warn: same, dim: same, strong: same, accent: same };
function same(text: string): string {
  return text;
}

function fakeUi(world: Pick<FakeWorld, 'shown' | 'out' | 'errors'>, options: FakeOptions): Ui {
  const lang = options.lang ?? 'en';
  const text = (words: Text): string => words[lang];
  const answer = <T>(question: Text, initial: T): T => {
    world.shown.push(`? ${text(question)}`);
    const found = Object.entries(options.answers ?? {}).find(([word]) => question.en.includes(word));
    return found ? (found[1] as T) : initial;
  };
  return {
    lang,
    paint: plain,
    width: 100,
    interactive: options.interactive ?? false,
    text,
    line: (words = '') => void world.shown.push(typeof words === 'string' ? words : text(words)),
    out: (words) => void world.out.push(words),
    error: (words) => void world.errors.push(words),
    tasks: async (list): Promise<TaskSink> => {
      const title = (id: string): string => text(list.find((line) => line.id === id)!.title);
      return {
        start: () => {},
        note: () => {},
        skip: (id) => void world.shown.push(`– ${title(id)}`),
        done: (id) => void world.shown.push(`✔ ${title(id)}`),
        fail: (id) => void world.shown.push(`✗ ${title(id)}`),
        end: async () => {},
      };
    },
    lanes: async () => ({
      begin: () => {},
      note: () => {},
      finish: (lane, title) => void world.shown.push(`✔ ${lane}: ${text(title)}`),
      wait: () => {},
      end: (lane, state, why) => void world.shown.push(`${state} ${lane}${why ? `: ${text(why)}` : ''}`),
      close: async () => {},
    }),
    wait: async (_, work) => work(() => {}),
    input: async (question, initial) => answer(question, initial),
    select: async (question, _, initial) => answer(question, initial),
    confirm: async (question, initial) => answer(question, initial),
    secret: async (question) => answer<string | undefined>(question, undefined),
  };
}

function fakeHost(self: () => FakeWorld, options: FakeOptions): Host {
  let pid = 1000;
  const find = (line: string): Answer => {
    const hit = (options.commands ?? []).find(([match]) =>
      typeof match === 'string' ? line.startsWith(match) : match.test(line),
    );
    if (!hit) throw new Error(`nobody expected this command: ${line}`);
    return hit[1];
  };
  return {
    name: 'localhost',
    async run(command) {
      const line = show(command);
      self().ran.push(line);
      const found = find(line);
      const result = typeof found === 'function' ? await found(command, self()) : found;
      return { code: 0, stdout: '', stderr: '', ...result };
    },
    async start(command) {
      self().started.push(show(command));
      pid += 1;
      self().alive.set(pid, `boot:${pid}`);
      await options.onStart?.(show(command), pid, self());
      return { pid };
    },
    put: async (path, content, { mode } = {}) => {
      if (typeof content !== 'object' || !('chunks' in content)) return self().files.write(path, content, mode);
      const parts: Uint8Array[] = [];
      for await (const chunk of content.chunks()) parts.push(chunk);
      await self().files.write(path, Buffer.concat(parts), mode);
    },
    read: (path) => self().files.readIfAny(path),
  };
}

function fakeProcesses(self: () => FakeWorld, options: FakeOptions): Processes {
  let port = 40_000;
  return {
    pid: 1,
    uid: options.uid ?? 0,
    identity: async (pid) => self().alive.get(pid),
    kill: (pid, signal) => {
      const lived = self().alive.has(pid);
      if (options.onSignal) options.onSignal(pid, signal, self());
      else self().alive.delete(pid);
      return lived;
    },
    portFree: async (_, asked) => !options.takenPorts?.has(asked),
    freePort: async () => {
      port += 1;
      return port;
    },
  };
}

const noHttp: Http = {
  request: async ({ url }) => {
    throw Object.assign(new Error(`connect ECONNREFUSED ${url}`), { code: 'ECONNREFUSED' });
  },
  stream: () => {
    throw new Error('no network in this world');
  },
};

export function fakeWorld(options: FakeOptions = {}): FakeWorld {
  let time = Date.UTC(2026, 10, 24);
  let seed = 1;
  const clock: Clock = options.clock ?? {
    now: () => time,
    monotonic: () => time - Date.UTC(2026, 10, 24),
    sleep: async (ms, signal) => {
      if (signal?.aborted) throw signal.reason;
      time += ms;
    },
  };
  const disk: FakeWorld['disk'] = new Map();
  const folders: FakeWorld['folders'] = new Map();
  const abort = new AbortController();
  const seen = { shown: [], out: [], errors: [] } as Pick<FakeWorld, 'shown' | 'out' | 'errors'>;
  const world: FakeWorld = {
    ...seen,
    disk,
    folders,
    ran: [],
    started: [],
    alive: new Map([[1, 'boot:1']]),
    abort,
    env: options.env ?? {},
    cwd: '/work',
    places: { home: '/home/u/state', cache: '/home/u/cache', package: '/package', node: '/usr/bin/node' },
    host: fakeHost(() => world, options),
    files: fakeFiles(disk, folders, clock),
    http: options.http ?? noHttp,
    clock,
    processes: fakeProcesses(() => world, options),
    ui: fakeUi(seen, options),
    ssh:
      options.ssh ??
      (async () => {
        throw new Error('no other hosts in this world');
      }),
    stdin: async (limit) => encode(options.stdin ?? '').subarray(0, limit),
    random: (n) => {
      seed += 1;
      return createHash('sha512').update(String(seed)).digest().subarray(0, n);
    },
    stop: abort.signal,
  };
  return world;
}
