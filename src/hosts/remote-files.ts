/** The files of a host as root sees them, by means of the commands it runs (GNU coreutils and findutils). */
import { posix } from 'node:path';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Files, Host, Result, Sink, Stat } from '../world.js';

/** The path is $1; 66 says that it is not there. */
export const fileScripts = {
  bytes: `[ -f "$1" ] || exit 66; if [ -n "$2" ]; then tail -c +"$2" -- "$1" | head -c "$3"; else cat -- "$1"; fi | base64 -w0`,
  append: 'umask 077; cat >>"$1"',
  // Noclobber opens with O_EXCL.
  create: `umask 077; set -C; { cat >"$1"; } 2>/dev/null && chmod -- "$2" "$1" && exit; [ -e "$1" ] && exit 65; echo "no such folder" >&2; exit 1`,
  // The umask reaches the parents too, -m would not.
  makeDir: 'umask "$2"; mkdir -p -- "$1"',
  list: `[ -d "$1" ] || exit 66; find "$1" -mindepth 1 -maxdepth 1 -printf '%f\\0'`,
  stat: `[ -e "$1" ] || exit 66; stat -L -c '%s %a %.3Y %F' -- "$1"`,
  rename: 'mv -fT -- "$1" "$2"',
  chmod: 'chmod -- "$2" "$1"',
  chown: 'chown -- "$2" "$1"',
  remove: 'rm -rf -- "$1"',
  removeEmpty: `[ -e "$1" ] || exit 0; rmdir -- "$1" 2>/dev/null || { [ -d "$1" ] && exit 65; exit 1; }`,
  hash: '[ -f "$1" ] || exit 66; sha256sum <"$1"',
  free: `p=$1; while [ ! -e "$p" ]; do p=$(dirname -- "$p"); done; df -PB1 -- "$p"`,
} as const;

const absent = 66;
const refused = 65;
/** Written at once by a sink, bytes. */
const piece = 4 << 20;
/** A hash of hundreds of gigabytes takes its time, ms. */
const hashMs = 3_600_000;

type Name = keyof typeof fileScripts;

export function remoteFiles(host: Pick<Host, 'name' | 'run' | 'put' | 'read'>): Files {
  const ask = (name: Name, path: string, words: readonly string[] = [], stdin?: string): Promise<Result> =>
    host.run({
      argv: ['sh', '-c', fileScripts[name], name, path, ...words],
      sudo: true,
      ...(stdin === undefined ? {} : { stdin }),
      ...(name === 'hash' ? { timeoutMs: hashMs } : {}),
    });
  const must = async (name: Name, path: string, words: readonly string[] = [], stdin?: string): Promise<string> => {
    const result = await ask(name, path, words, stdin);
    if (result.code !== 0) throw failed(host.name, name, path, result);
    return result.stdout;
  };
  const bytes = async (path: string, range?: { readonly from: number; readonly length: number }) =>
    Buffer.from(await must('bytes', path, range ? [String(range.from + 1), String(range.length)] : ['', '']), 'base64');
  const read = (path: string): Promise<string | undefined> => host.read(path, { sudo: true });
  return {
    async read(path) {
      const text = await read(path);
      if (text === undefined) throw failed(host.name, 'bytes', path, { code: absent, stdout: '', stderr: '' });
      return text;
    },
    readIfAny: read,
    readBytes: bytes,
    write: (path, content, mode = 0o600) => host.put(path, content, { mode, sudo: true }),
    append: async (path, content) => void (await must('append', path, [], content)),
    create: async (path, content, mode = 0o600) => {
      const result = await ask('create', path, [mode.toString(8)], content);
      if (result.code === refused) return false;
      if (result.code !== 0) throw failed(host.name, 'create', path, result);
      return true;
    },
    makeDir: async (path, mode = 0o700) => void (await must('makeDir', path, [(0o777 & ~mode).toString(8)])),
    async list(path) {
      const result = await ask('list', path);
      if (result.code === absent) return [];
      if (result.code !== 0) throw failed(host.name, 'list', path, result);
      return result.stdout.split('\0').filter(Boolean);
    },
    async stat(path) {
      const result = await ask('stat', path);
      if (result.code === absent) return undefined;
      if (result.code !== 0) throw failed(host.name, 'stat', path, result);
      return statOf(result.stdout);
    },
    rename: async (from, to) => void (await must('rename', from, [to])),
    chmod: async (path, mode) => void (await must('chmod', path, [mode.toString(8)])),
    chown: async (path, uid, gid) => void (await must('chown', path, [`${uid}:${gid}`])),
    remove: async (path) => void (await must('remove', path)),
    async removeEmpty(path) {
      const result = await ask('removeEmpty', path);
      if (result.code !== 0 && result.code !== refused) throw failed(host.name, 'removeEmpty', path, result);
      return result.code === 0;
    },
    sink: (path, append) => sink(host, path, append, (name) => must(name, path, [], '')),
    hash: async (path) => (await must('hash', path)).slice(0, 64),
    free: async (path) =>
      Number((await must('free', posix.normalize(path))).trim().split('\n').at(-1)!.split(/\s+/)[3]),
  };
}

function statOf(line: string): Stat {
  const [size, mode, mtime, ...kind] = line.trim().split(' ');
  const directory = kind.join(' ') === 'directory';
  return {
    size: directory ? 0 : Number(size),
    mode: Number.parseInt(mode!, 8),
    mtimeMs: Number(mtime) * 1000,
    directory,
  };
}

/** Gathers what comes and hands it over in pieces: a command each would be one per network packet. */
async function sink(
  host: Pick<Host, 'run'>,
  path: string,
  append: boolean,
  must: (name: 'append') => Promise<string>,
): Promise<Sink> {
  let parts: Uint8Array[] = [];
  let held = 0;
  let first = !append;
  const flush = async (): Promise<void> => {
    const stdin = Buffer.concat(parts).toString('base64');
    parts = [];
    held = 0;
    const into = first ? '>' : '>>';
    first = false;
    const script = `umask 077; base64 -d ${into}"$1" && sync -- "$1"`;
    const result = await host.run({ argv: ['sh', '-c', script, 'sink', path], sudo: true, stdin, timeoutMs: 600_000 });
    if (result.code !== 0) throw new Error(`${path}: ${result.stderr.trim()}`);
  };
  if (append) await must('append');
  return {
    async write(chunk) {
      parts.push(Uint8Array.from(chunk));
      held += chunk.length;
      if (held >= piece) await flush();
    },
    close: flush,
  };
}

function failed(host: string, what: Name, path: string, { code, stderr }: Result): UserError {
  const why = code === absent ? 'No such file or directory' : stderr.trim().split('\n').at(-1) || `status ${code}`;
  const reading = ['bytes', 'list', 'stat', 'hash', 'free'].includes(what);
  return new UserError(
    reading ? 'file.read' : 'file.write',
    reading
      ? say(`${host}: ${path} could not be read: ${why}`, `${host}：无法读取 ${path}：${why}`)
      : say(`${host}: ${path} could not be changed (${what}): ${why}`, `${host}：无法更改 ${path}（${what}）：${why}`),
  );
}
