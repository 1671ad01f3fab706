/** TCP ports that something listens on, from `ss` where it is there and from /proc/net where it is not. */
import { type Probe, script } from './probe.js';
import { known } from './values.js';

export interface Port {
  readonly port: number;
  /** '0.0.0.0', '127.0.0.1', '::', '::1', or one of the host's own. */
  readonly address: string;
  /** Only for processes that we may see. */
  readonly program?: string;
  readonly pid?: number;
}

const portsScript = `ss -Hltnp 2>/dev/null || awk '$4=="0A"{print "listen " $2}' /proc/net/tcp /proc/net/tcp6 2>/dev/null
exit 0`;

/** '[::ffff:127.0.0.1]:80', '127.0.0.53%lo:53', '*:22' */
function addressOf(text: string): { address: string; port: number } | undefined {
  const [, host, port] = /^(.*):(\d+)$/.exec(text) ?? [];
  if (host === undefined) return undefined;
  const bare = host
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '')
    .replace(/^::ffff:/i, '');
  return { address: bare === '*' ? '::' : bare, port: Number(port) };
}

function fromSs(line: string): Port | undefined {
  const [state, , , local, , users] = line.trim().split(/\s+/);
  const place = state === 'LISTEN' ? addressOf(local ?? '') : undefined;
  const [, program, pid] = /\(\("([^"]+)",pid=(\d+)/.exec(users ?? '') ?? [];
  return place && { ...place, ...known({ program, pid: pid === undefined ? undefined : Number(pid) }) };
}

/** RFC 5952: the longest run of zero words becomes '::'. */
function ipv6(words: readonly number[]): string {
  const text = words.map((word) => word.toString(16)).join(':');
  const runs = [...text.matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const longest = runs[0];
  if (!longest) return text;
  const [before, after] = [text.slice(0, longest.index), text.slice(longest.index + longest[0].length)];
  return `${before.replace(/:$/, '')}::${after.replace(/^:/, '')}`;
}

/** The kernel prints addresses as 32-bit words in the CPU's order: little endian wherever we run. */
export function fromHex(hex: string): string {
  const bytes = hex.match(/.{8}/g)!.flatMap((word) =>
    word
      .match(/../g)!
      .reverse()
      .map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.join('.');
  const words = [0, 2, 4, 6, 8, 10, 12, 14].map((at) => bytes[at]! * 256 + bytes[at + 1]!);
  const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  return mapped ? bytes.slice(12).join('.') : ipv6(words);
}

function fromProc(line: string): Port | undefined {
  const [, hex, port] = /^listen ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/i.exec(line.trim()) ?? [];
  return hex === undefined ? undefined : { address: fromHex(hex), port: Number.parseInt(port!, 16) };
}

export const ports: Probe<Port[]> = {
  id: 'host.ports',
  command: script(portsScript),
  read({ stdout }) {
    const found = new Map<string, Port>();
    for (const line of stdout.split('\n')) {
      const port = fromSs(line) ?? fromProc(line);
      if (!port) continue;
      const key = `${port.address}:${port.port}`;
      found.set(key, { ...port, ...found.get(key) });
    }
    return [...found.values()].sort((a, b) => a.port - b.port || (a.address < b.address ? -1 : 1));
  },
};
