/** Takes out of a recording what names a machine, a person or a board; the same original always gets the same mask. */
import { fromHex } from './ports.js';
import type { Section } from './probe.js';
import { program } from './values.js';

export interface Private {
  readonly hosts: readonly string[];
  readonly users: readonly string[];
  /** Folders that appear in commands, by the name they get. */
  readonly paths: Readonly<Record<string, string>>;
}

type Replace = (text: string) => string;

/** Numbers originals in the order in which they are first met. */
function numbered(form: (n: number) => string): (original: string) => string {
  const seen = new Map<string, string>();
  return (original) => {
    const key = original.toLowerCase();
    const mask = seen.get(key) ?? form(seen.size + 1);
    seen.set(key, mask);
    return mask;
  };
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** Words that mean something in what we read: as the name of a host they tell nobody anything. */
const ordinary =
  /^(localhost|root|nobody|gpu|cpu|nvidia|tesla|geforce|quadro|debian|ubuntu|linux|fedora|rocky|centos|rhel|alpine|kernel|server|node|host|nginx|docker|redis|user|admin|test|memory|total|driver|cuda|version|python\d?|[a-z]{1,3}\d{1,4}[a-z]?|\d+|.{1,2})$/i;

const escapedForRegex = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function words(names: readonly string[], mask: (name: string) => string): Replace {
  const list = [...new Set(names)].filter((name) => !ordinary.test(name)).sort((a, b) => b.length - a.length);
  if (list.length === 0) return (text) => text;
  const match = new RegExp(`(?<![\\w-])(?:${list.map(escapedForRegex).join('|')})(?![\\w-])`, 'gi');
  return (text) => text.replace(match, (name) => mask(name));
}

const uuid = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;
/** All zeros is how "in no cluster" is written. */
const nobody = /^[0-]+$/;

function uuids(): Replace {
  const mask = numbered((n) => `${hex(n, 8)}-0000-0000-0000-${hex(n, 12)}`);
  return (text) => text.replace(uuid, (found) => (nobody.test(found) ? found : mask(found)));
}

const serialTag = /(<(serial|chassis_serial_number|pdi|gpu_fabric_guid|hostname|vm_name)>)([^<]*)(<\/\2>)/g;
const serialLine = /^(.*(?:Serial Number|GPU PDI|GPU Fabric GUID|Hostname|VM Name)\s*:\s*)(\S.*?)(\s*)$/gim;
const empty = /^\s*(\[?n\/a\]?|none|not supported|0x0+|)\s*$/i;

function serials(): Replace {
  const mask = numbered((n) => `masked-${n}`);
  const of = (value: string): string => (empty.test(value) ? value : mask(value.trim()));
  return (text) =>
    text
      .replace(serialTag, (_, open: string, _name: string, value: string, close: string) => open + of(value) + close)
      .replace(serialLine, (_, key: string, value: string, end: string) => key + of(value) + end);
}

const processTag = /(<process_name>)([\s\S]*?)(<\/process_name>)/g;
const homes = /(\/home\/|\/Users\/|[A-Za-z]:\\Users\\)([^/\\\s"'<>:]+)/g;

const processes: Replace = (text) =>
  text.replace(processTag, (_, open: string, name: string, close: string) => open + (program(name) ?? name) + close);

const mac = /(?<![\w:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![\w:])/gi;
const dotted = /(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)/g;
const colons =
  /(?<![\w:.])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?)(?:%[\w.-]+)?(?![\w:])/gi;
const listening = /^(listen )([0-9A-F]{8}|[0-9A-F]{32})(:[0-9A-F]{4})$/gim;

/** Addresses that every machine has, and those that are kept for documentation (RFC 5737, RFC 3849). */
const common =
  /^(0\.0\.0\.0|127\.[\d.]+|255\.255\.255\.255|192\.0\.2\.\d+|198\.51\.100\.\d+|::|::1|2001:db8::[0-9a-f]+)$/i;

function addresses(): { mac: Replace; ip: Replace } {
  const four = numbered((n) => (n < 255 ? `192.0.2.${n}` : `198.51.100.${n % 255}`));
  const six = numbered((n) => `2001:db8::${n.toString(16)}`);
  const card = numbered((n) => `02:00:00:00:${hex(n >> 8, 2)}:${hex(n & 255, 2)}`);
  const real = (text: string): boolean => text.split('.').every((part) => Number(part) < 256 && !/^0\d/.test(part));
  const ip = (address: string): string => {
    const bare = address.replace(/%.*$/, '');
    if (common.test(bare)) return address;
    return bare.includes(':') ? six(bare) : real(bare) ? four(bare) : address;
  };
  return {
    mac: (text) => text.replace(mac, card),
    ip: (text) =>
      text
        .replace(listening, (_, key: string, address: string, port: string) => key + toHex(ip(fromHex(address))) + port)
        .replace(dotted, ip)
        .replace(colons, ip),
  };
}

/** Back to the kernel's notation: 32-bit words, little endian. */
function toHex(address: string): string {
  const word = (bytes: readonly number[]): string =>
    bytes
      .toReversed()
      .map((byte) => hex(byte, 2))
      .join('')
      .toUpperCase();
  if (!address.includes(':')) return word(address.split('.').map(Number));
  const [before, after] = address.split('::').map((side) =>
    side
      .split(':')
      .filter(Boolean)
      .map((part) => Number.parseInt(part, 16)),
  );
  const all = after ? [...before!, ...Array<number>(8 - before!.length - after.length).fill(0), ...after] : before!;
  const bytes = all.flatMap((part) => [part >> 8, part & 255]);
  return [0, 4, 8, 12].map((at) => word(bytes.slice(at, at + 4))).join('');
}

/** Here four numbers with points between them are a version, not an address. */
const withVersions = new Set(['host.tools', 'host.kernel', 'host.os', 'host.virtualization']);

/** @param secrets what this machine and its user are called */
export function mask(sections: readonly Section[], secrets: Private): Section[] {
  const user = numbered((n) => `user-${n}`);
  const host = numbered((n) => `host-${n}`);
  const { mac: macs, ip } = addresses();
  const places = Object.entries(secrets.paths)
    .filter(([path]) => path.length > 1)
    .sort(([a], [b]) => b.length - a.length);
  const steps: readonly Replace[] = [
    (text) => places.reduce((so, [path, name]) => so.replaceAll(path, `<${name}>`), text),
    uuids(),
    serials(),
    processes,
    macs,
    (text) => text.replace(/[\w.+-]+@[\w-]+(?:\.[\w-]+)*/g, 'user@host'),
    (text) =>
      text.replace(homes, (_, folder: string, name: string) => folder + (/^user-\d+$/.test(name) ? name : user(name))),
    words(secrets.hosts, host),
    words(secrets.users, user),
  ];
  const clean = (text: string, id: string | undefined): string => {
    const done = steps.reduce((so, step) => step(so), text);
    return id !== undefined && withVersions.has(id) ? done : ip(done);
  };
  return sections.map(({ id, line, result }) => ({
    ...(id === undefined ? {} : { id }),
    line: steps.reduce((so, step) => step(so), line),
    result: { code: result.code, stdout: clean(result.stdout, id), stderr: clean(result.stderr, id) },
  }));
}
