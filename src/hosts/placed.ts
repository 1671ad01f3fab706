/** Files of a host, by means of the commands it runs: the same for this machine and for one behind ssh. */
import { createHash } from 'node:crypto';
import type { Command } from '../command.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Host, PutOptions, Result, Upload } from '../world.js';

export type RunWith = (command: Command, input: string | Uint8Array | AsyncIterable<Uint8Array>) => Promise<Result>;

// $1 path, $2 mode, $3 owner or empty; the first line of the input is the SHA-256 of what follows it: an argument could
// be listed by others and tell a short secret. An input cut short by a lost connection never reaches the path.
// dash runs no EXIT trap for a signal that is not trapped itself.
const put = `set -e; umask 077; IFS= read -r want
t=$(mktemp -- "$1.XXXXXXXX"); trap 'rm -f -- "$t"' EXIT; trap 'exit 130' HUP INT TERM
cat >"$t"; have=$(sha256sum <"$t"); [ "\${have%% *}" = "$want" ] || { echo "the content arrived damaged" >&2; exit 65; }
chmod -- "$2" "$t"; [ -z "$3" ] || chown -- "$3" "$t"; sync -- "$t"
[ ! -d "$1" ] || { echo "it is a folder" >&2; exit 66; }
mv -f -- "$t" "$1"; trap - EXIT`;

// [ -e ] is also false for what may not be looked at, so the folder is tried first.
const read = `if [ ! -e "$1" ]; then d=$(dirname -- "$1"); [ ! -d "$d" ] || [ -x "$d" ] || exit 67; exit 66; fi; exec cat -- "$1"`;

const isUpload = (content: string | Uint8Array | Upload): content is Upload =>
  typeof content === 'object' && 'chunks' in content;

async function* stream(content: Upload): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(`${content.sha256}\n`);
  yield* content.chunks();
}

function input(content: string | Uint8Array | Upload): Uint8Array | AsyncIterable<Uint8Array> {
  if (isUpload(content)) return stream(content);
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from(`${createHash('sha256').update(bytes).digest('hex')}\n`), bytes]);
}

/** Rounded up to a minute and a MiB/s: a slow line is no failure. */
const timeoutFor = (bytes: number): number => 60_000 + bytes / 1000;

const sizeOf = (content: string | Uint8Array | Upload): number =>
  isUpload(content) ? content.bytes : Buffer.byteLength(content);

const reason = (result: Result): string => result.stderr.trim().split('\n').at(-1) || `status ${result.code}`;

/** @returns the two file methods of a host whose commands `run` carries out */
export function placed(name: string, run: RunWith): Pick<Host, 'put' | 'read'> {
  return {
    async put(path: string, content: string | Uint8Array | Upload, options: PutOptions = {}): Promise<void> {
      const { mode = 0o600, owner = '', sudo = false } = options;
      const argv = ['sh', '-c', put, 'put', path, mode.toString(8), owner] as const;
      const result = await run({ argv: [...argv], sudo, timeoutMs: timeoutFor(sizeOf(content)) }, input(content));
      if (result.code === 0) return;
      const why = reason(result);
      throw new UserError(
        'file.write',
        say(`${name}: ${path} could not be written: ${why}`, `${name}：无法写入 ${path}：${why}`),
      );
    },
    async read(path: string, { sudo = false } = {}): Promise<string | undefined> {
      const result = await run({ argv: ['sh', '-c', read, 'read', path], sudo }, '');
      if (result.code === 0) return result.stdout;
      if (result.code === 66) return undefined;
      const why = result.code === 67 ? 'Permission denied' : reason(result);
      throw new UserError(
        'file.read',
        say(`${name}: ${path} could not be read: ${why}`, `${name}：无法读取 ${path}：${why}`),
      );
    },
  };
}
