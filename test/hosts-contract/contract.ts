/** What every Host does alike: one suite for this machine, a host behind ssh, and the simulated one. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../src/command.js';
import type { Host } from '../../src/world.js';

export interface Subject {
  readonly host: Host;
  /** A folder on that host which the commands may write into. */
  readonly folder: string;
  /** Whether its processes are real and visible in this machine's /proc. */
  readonly real: boolean;
  /** Whether we are root there without sudo. */
  readonly root: boolean;
  /** Milliseconds one more command costs at the most. */
  readonly slack: number;
  close(): Promise<void>;
}

/** The few scripts of the suite; the simulated host knows them by their text and does the same in its own way. */
export const scripts = {
  emit: `printf %s "$1"; printf %s "$2" >&2; exit "$3"`,
  variable: `printf %s "$DD_VALUE"`,
  folder: 'pwd',
  copy: 'cat',
  count: 'cat | wc -c | tr -d " "',
  die: 'kill -9 $$',
  whoami: 'id -u',
  slow: 'echo one; echo two >&2; sleep "$1"; echo three',
  loud: `i=0; while [ $i -lt 20000 ]; do echo "line $i of a command that has much to say"; i=$((i+1)); done`,
} as const;

export const sh = (script: string, ...args: string[]): Command => ({ argv: ['sh', '-c', script, 'sh', ...args] });

const supply = (name: string, value: string) => ({ name, get: async () => value });
const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((word) => !/\0|[\ud800-\udfff]/.test(word));
const emit = (out: string, err = '', code = 0): Command => sh(scripts.emit, out, err, String(code));

export function contract(title: string, open: () => Promise<Subject>, skip = false): void {
  describe.skipIf(skip)(title, () => {
    let subject: Subject;
    beforeAll(async () => {
      subject = await open();
    }, 60_000);
    afterAll(async () => subject?.close());
    const run: Host['run'] = (command, options) => subject.host.run(command, options);
    describe('status and output', () => statusAndOutput(run));
    describe('what goes in', () => whatGoesIn(run, () => subject));
    describe('lines as they come', () => linesAsTheyCome(run));
    describe('limits', () => limits(run, () => subject));
    describe('files', () => files(() => subject));
    describe('in the background', () => background(() => subject));
  });
}

function statusAndOutput(run: Host['run']): void {
  it.each([0, 1, 7, 124, 126, 255])("status %i is the command's own", async (code) => {
    expect(await run(emit('out', 'err', code))).toEqual({ code, stdout: 'out', stderr: 'err' });
  });

  it('128+n when signal n ended it', async () => {
    expect((await run(sh(scripts.die))).code).toBe(137);
  });

  it('127 for a program that is not there', async () => {
    expect((await run({ argv: ['/nowhere/no-such-program'] })).code).toBe(127);
    expect((await run({ argv: ['no-such-program-dd'] })).code).toBe(127);
  });

  it.each(['', '\n', 'a', 'a\n', 'a\n\n', '\n\na', 'a\r\nb', '\t ', '中文 ü €\n'])(
    'gives back %j to the byte',
    async (out) => {
      expect(await run(emit(out, out))).toEqual({ code: 0, stdout: out, stderr: out });
    },
  );

  it('takes any words there are', async () => {
    const words = await fc.sample(text, 12);
    for (const word of words) expect((await run(emit(word, `-${word}`))).stdout).toBe(word);
  });

  it('keeps much output', async () => {
    const { stdout } = await run(sh(scripts.loud));
    expect(stdout.split('\n').length).toBe(20_001);
    expect(stdout.endsWith('line 19999 of a command that has much to say\n')).toBe(true);
  });

  it('keeps apart what runs at once', async () => {
    const numbers = Array.from({ length: 24 }, (_, i) => i);
    const results = await Promise.all(numbers.map((i) => run(emit(`out ${i}`, `err ${i}`, i))));
    expect(results).toEqual(numbers.map((i) => ({ code: i, stdout: `out ${i}`, stderr: `err ${i}` })));
  });
}

function whatGoesIn(run: Host['run'], subject: () => Subject): void {
  it('standard input, given or supplied, to the byte', async () => {
    for (const stdin of ['', 'a', 'a\n', 'a\n.\n|b\n\n', '中文\n'])
      expect((await run({ ...sh(scripts.copy), stdin })).stdout).toBe(stdin);
    expect((await run({ ...sh(scripts.copy), stdin: supply('token', 's3cret') })).stdout).toBe('s3cret');
  });

  it('standard input of a mebibyte and more', async () => {
    expect((await run({ ...sh(scripts.count), stdin: 'x'.repeat(3 << 20) })).stdout).toBe(`${3 << 20}\n`);
  });

  it('an input nobody reads does no harm', async () => {
    expect((await run({ ...emit('done', '', 3), stdin: 'x'.repeat(1 << 20) })).code).toBe(3);
  });

  it('no input is an empty one', async () => {
    expect(await run(sh(scripts.copy))).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('variables, given or supplied, whatever they hold', async () => {
    for (const value of ['', "it's", 'a\nb\n', '$HOME `id` \\', '中文', '-n'])
      expect((await run({ ...sh(scripts.variable), env: { DD_VALUE: value } })).stdout).toBe(value);
    const env = { DD_VALUE: supply('token', 's3cret') };
    expect((await run({ ...sh(scripts.variable), env })).stdout).toBe('s3cret');
  });

  it('the folder it runs in', async () => {
    const { folder } = subject();
    expect((await run({ ...sh(scripts.folder), cwd: folder })).stdout).toBe(`${folder}\n`);
    expect((await run({ ...sh(scripts.folder), cwd: `${folder}/none` })).code).toBe(127);
  });

  it('root through sudo, also with input and variables', async ({ skip }) => {
    const sudo = (await run({ ...sh(scripts.whoami), sudo: true })).code === 0;
    if (!sudo) skip('sudo wants a password here');
    expect((await run({ ...sh(scripts.whoami), sudo: true })).stdout).toBe('0\n');
    expect((await run({ ...sh(scripts.copy), sudo: true, stdin: 'in' })).stdout).toBe('in');
    expect((await run({ ...sh(scripts.variable), sudo: true, env: { DD_VALUE: 'v' } })).stdout).toBe('v');
  });

  it('no secret stands in an argument list', async ({ skip }) => {
    if (!subject().real) skip('no processes to list');
    const secret = `dd${randomBytes(8).toString('hex')}`;
    const command: Command = { ...sh(scripts.slow, '2'), stdin: supply('a', secret), env: { B: supply('b', secret) } };
    const running = run(command);
    expect(await soon(() => isRunning(scripts.slow))).toBe(true);
    const lists = argumentLists();
    expect(lists.filter((list) => list.includes(secret))).toEqual([]);
    expect((await running).code).toBe(0);
  });
}

/** Of every process of this machine, its words parted by spaces. */
export function argumentLists(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}

const isRunning = (word: string): boolean => argumentLists().some((list) => list.includes(word));

async function soon(what: () => boolean): Promise<boolean> {
  for (let i = 0; i < 60 && !what(); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  return what();
}

function linesAsTheyCome(run: Host['run']): void {
  it('each line of both streams, whole, while it runs', async () => {
    const seen: [string, number][] = [];
    const startedAt = performance.now();
    await run(sh(scripts.slow, '0.6'), { onLine: (line) => seen.push([line, performance.now() - startedAt]) });
    expect(seen.map(([line]) => line).sort()).toEqual(['one', 'three', 'two']);
    const at = Object.fromEntries(seen);
    expect(at.three! - at.one!).toBeGreaterThan(400);
  });

  it.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\n\nb', ['a', '', 'b']],
    ['\n\n', ['', '']],
  ])('%j is the lines %j', async (out, lines) => {
    const seen: string[] = [];
    await run(emit(out), { onLine: (line) => seen.push(line) });
    expect(seen).toEqual(lines);
  });
}

function limits(run: Host['run'], subject: () => Subject): void {
  const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    const value = await work;
    expect(performance.now() - startedAt).toBeLessThan(ms + subject().slack);
    return value;
  };

  it('124 past its time, with what it had said', async () => {
    const result = await within(400, run({ ...sh(scripts.slow, '30'), timeoutMs: 400 }));
    expect(result).toEqual({ code: 124, stdout: 'one\n', stderr: 'two\n' });
  });

  it('past its time all of its processes end', async ({ skip }) => {
    if (!subject().real) skip('no processes to end');
    const mark = `61.${Date.now() % 1e6}1`;
    const result = await within(600, run({ ...sh('sleep "$1" & sleep "$1"; true', mark), timeoutMs: 600 }));
    expect(result.code).toBe(124);
    expect(await soon(() => !isRunning(mark))).toBe(true);
  });

  it('what does not heed TERM is killed', async ({ skip }) => {
    if (!subject().real) skip('no processes to end');
    const mark = `61.${Date.now() % 1e6}2`;
    const stubborn = sh(`trap '' TERM; while :; do sleep "$1"; done`, mark);
    expect((await within(7000, run({ ...stubborn, timeoutMs: 300 }))).code).toBe(124);
    expect(await soon(() => !isRunning(mark))).toBe(true);
  });

  it('130 when it is called off, and its processes end', async () => {
    const stop = new AbortController();
    const mark = `62.${Date.now() % 1e6}`;
    const running = run(sh(scripts.slow, mark), { signal: stop.signal });
    setTimeout(() => stop.abort(), 500);
    expect((await within(500, running)).code).toBe(130);
    if (subject().real) expect(await soon(() => !isRunning(mark))).toBe(true);
  });

  it('130 when it was called off before', async () => {
    expect((await within(0, run(emit('never'), { signal: AbortSignal.abort() }))).code).toBe(130);
  });
}

function files(subject: () => Subject): void {
  const at = (name: string): string => `${subject().folder}/${name}`;

  it('gives back what was put, whatever it holds', async () => {
    const { host } = subject();
    for (const content of ['', 'a', 'a\n', 'line\n.\n|x\n', '中文\n', ...fc.sample(text, 4)]) {
      await host.put(at('a file'), content);
      expect(await host.read(at('a file'))).toBe(content);
    }
    await host.put(at('bytes'), new TextEncoder().encode('bytes'));
    expect(await host.read(at('bytes'))).toBe('bytes');
  });

  it('nothing is there until something was put', async () => {
    expect(await subject().host.read(at('none'))).toBeUndefined();
    expect(await subject().host.read(at('none/below'))).toBeUndefined();
  });

  it('needs the folder, and is not one', async () => {
    const { host, folder } = subject();
    await expect(host.put(at('none/file'), 'x')).rejects.toMatchObject({ id: 'file.write' });
    await expect(host.put(folder, 'x')).rejects.toMatchObject({ id: 'file.write' });
    await expect(host.read(folder)).rejects.toMatchObject({ id: 'file.read' });
  });

  const upload = (sha256: string) => ({
    bytes: 6,
    sha256,
    async *chunks() {
      yield new TextEncoder().encode('abc');
      yield new TextEncoder().encode('def');
    },
  });

  it('takes a stream, and refuses one that is not what it says', async () => {
    const { host } = subject();
    await host.put(at('stream'), upload('bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721'));
    expect(await host.read(at('stream'))).toBe('abcdef');
    await host.put(at('stream'), 'before');
    await expect(host.put(at('stream'), upload('0'.repeat(64)))).rejects.toMatchObject({ id: 'file.write' });
    expect(await host.read(at('stream'))).toBe('before');
  });

  it('takes many megabytes piece by piece', async () => {
    const { host } = subject();
    const piece = new TextEncoder().encode('0123456789abcdef'.repeat(1 << 14));
    const hash = createHash('sha256');
    for (let i = 0; i < 40; i += 1) hash.update(piece);
    await host.put(at('large'), {
      bytes: 40 * piece.length,
      sha256: hash.digest('hex'),
      async *chunks() {
        for (let i = 0; i < 40; i += 1) yield piece;
      },
    });
    expect((await host.read(at('large')))?.length).toBe(40 * piece.length);
  });

  it('has the mode asked for, 0600 unasked, and leaves nothing beside', async ({ skip }) => {
    const { host, real, folder } = subject();
    if (!real) skip("see the simulated host's own test");
    await host.put(at('m'), 'x');
    await host.put(at('n'), 'x', { mode: 0o644 });
    await host.put(at('n'), 'y', { mode: 0o755 });
    const { stdout } = await host.run({ argv: ['stat', '-c', '%a', at('m'), at('n')] });
    expect(stdout).toBe('600\n755\n');
    const { stdout: names } = await host.run({ argv: ['ls', folder] });
    expect(names.split('\n').filter((name) => /\.[A-Za-z0-9]{8}$/.test(name))).toEqual([]);
  });
}

function background(subject: () => Subject): void {
  it('starts what outlives the call, its output added to the log', async ({ skip }) => {
    const { host, folder, real } = subject();
    if (!real) skip('no processes');
    const log = `${folder}/log`;
    await host.put(log, 'before\n');
    const { pid } = await host.start(sh('echo out; echo err >&2; exec sleep 63'), log);
    expect(pid).toBeGreaterThan(1);
    expect(await soon(() => readFileSync(log, 'utf8').includes('err'))).toBe(true);
    expect(readFileSync(log, 'utf8')).toBe('before\nout\nerr\n');
    // Field 6 of /proc/<pid>/stat is its session.
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[3]).toBe(String(pid));
    process.kill(pid, 'SIGKILL');
  });

  it('says so when there is no such program', async () => {
    const { host, folder } = subject();
    await expect(host.start({ argv: ['/nowhere/no-such-program'] }, `${folder}/log`)).rejects.toThrow();
  });
}
