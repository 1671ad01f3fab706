/** A DNS server over UDP and TCP whose answers are what a test says, good or bad. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { type AddressInfo, createServer } from 'node:net';

/** What a name answers with; `aaaa` and `cname` are in it, a name that is not there is NXDOMAIN. */
export interface Zone {
  readonly a?: readonly string[];
  /** Eight groups written out. */
  readonly aaaa?: readonly string[];
  readonly cname?: string;
  readonly ttl?: number;
  readonly fails?: 'SERVFAIL' | 'silent' | 'truncated' | 'cut' | 'forged' | 'SERVFAIL for AAAA';
}

export interface DnsServer {
  readonly port: number;
  /** Names that were asked, `name TYPE udp|tcp`. */
  readonly asked: string[];
  set(name: string, zone: Zone | undefined): void;
  stop(): Promise<void>;
}

const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const nameBytes = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    u16(0).subarray(1),
  ]);

export const record = (name: Buffer, type: number, ttl: number, data: Buffer): Buffer =>
  Buffer.concat([name, u16(type), u16(1), u16(0), u16(ttl), u16(data.length), data]);

const ipv4 = (text: string) => Buffer.from(text.split('.').map(Number));
const ipv6 = (text: string) => Buffer.concat(text.split(':').map((group) => u16(Number.parseInt(group, 16))));

const types: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA' };

interface Question {
  readonly name: string;
  readonly type: number;
  readonly id: Buffer;
  readonly bytes: Buffer;
}

function questionOf(message: Buffer): Question {
  const labels: string[] = [];
  let at = 12;
  while (message[at] !== 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]!));
    at += 1 + message[at]!;
  }
  return {
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at + 1),
    id: message.subarray(0, 2),
    bytes: message.subarray(12, at + 5),
  };
}

export const reply = (question: Pick<Question, 'id' | 'bytes'>, flags: number, records: readonly Buffer[]): Buffer =>
  Buffer.concat([
    question.id,
    u16(0x8180 | flags),
    u16(1),
    u16(records.length),
    u16(0),
    u16(0),
    question.bytes,
    ...records,
  ]);

function records(zone: Zone, type: number): Buffer[] {
  const { a = [], aaaa = [], cname, ttl = 0 } = zone;
  // The question's own name, as servers compress it.
  const owner = cname === undefined ? u16(0xc00c) : nameBytes(cname);
  const addresses = type === 28 ? aaaa.map(ipv6) : a.map(ipv4);
  return [
    ...(cname === undefined ? [] : [record(u16(0xc00c), 5, ttl, nameBytes(cname))]),
    ...addresses.map((data) => record(owner, type, ttl, data)),
  ];
}

function answerTo(question: Question, zone: Zone | undefined, over: 'udp' | 'tcp'): Buffer | undefined {
  if (!zone) return reply(question, 3, []);
  const { fails } = zone;
  if (fails === 'silent') return undefined;
  if (fails === 'SERVFAIL' || (fails === 'SERVFAIL for AAAA' && question.type === 28)) return reply(question, 2, []);
  if (fails === 'truncated' && over === 'udp') return reply(question, 0x200, []);
  const whole = reply(question, 0, records(zone, question.type));
  if (fails === 'cut') return whole.subarray(0, whole.length - 3);
  return whole;
}

export async function startDns(): Promise<DnsServer> {
  const zones = new Map<string, Zone>();
  const asked: string[] = [];
  const answer = (message: Buffer, over: 'udp' | 'tcp') => {
    const question = questionOf(message);
    asked.push(`${question.name} ${types[question.type] ?? question.type} ${over}`);
    return { question, zone: zones.get(question.name), packet: answerTo(question, zones.get(question.name), over) };
  };
  const socket = createSocket('udp4');
  socket.on('message', (message: Buffer, from: RemoteInfo) => {
    const { packet, zone, question } = answer(message, 'udp');
    if (zone?.fails === 'forged') {
      // The right answer's id is off by one, and its addresses are another's.
      const id = u16((question.id.readUInt16BE(0) + 1) & 0xffff);
      socket.send(
        reply({ ...question, id }, 0, [record(u16(0xc00c), 1, 1, ipv4('127.9.9.9'))]),
        from.port,
        from.address,
      );
    }
    if (packet) socket.send(packet, from.port, from.address);
  });
  const server = createServer((connection) => {
    connection.on('error', () => {});
    connection.on('data', (data) => {
      const { packet } = answer(data.subarray(2), 'tcp');
      if (packet) connection.end(Buffer.concat([u16(packet.length), packet]));
    });
  });
  // TCP has the port first; where UDP does not get the same, another one is tried.
  const both = async (): Promise<number> => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    try {
      await new Promise<void>((done, fail) => socket.once('error', fail).bind(port, '127.0.0.1', done));
      return port;
    } catch {
      await new Promise((done) => server.close(done));
      return both();
    }
  };
  const port = await both();
  return {
    port,
    asked,
    set(name, zone) {
      if (zone) zones.set(name, zone);
      else zones.delete(name);
    },
    async stop() {
      await new Promise<void>((done) => socket.close(() => done()));
      await new Promise((done) => server.close(done));
    },
  };
}
