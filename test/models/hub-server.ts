import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localFiles } from '../../src/hosts/files.js';
import { http } from '../../src/hosts/http.js';
import type { Http, World } from '../../src/world.js';
import { fakeWorld } from '../world/fake.js';

export type Answering = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** A hub of one's own: what it is asked, and how it answers the nth request. */
export class HubServer {
  readonly asked: IncomingMessage[] = [];
  answer: Answering = (_, response) => response.writeHead(404).end();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<HubServer> {
    const server = createServer();
    const hub = new HubServer(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      hub.asked.push(request);
      hub.answer(request, response, hub.asked.length);
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  ranges(): readonly (string | undefined)[] {
    return this.asked.map(({ headers }) => headers.range);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

export const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

interface Serving {
  readonly ranges?: boolean;
  /** Breaks the connection off after that many bytes of the body; the last of them may be lost on the way. */
  readonly cut?: number;
  readonly reset?: boolean;
}

/** The file as a good hub gives it. */
export function serve(content: Uint8Array, options: Serving = {}): Answering {
  return ({ headers }, response) => {
    const from = options.ranges === false ? 0 : Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    const body = content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': body.length,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    });
    if (options.cut === undefined || options.cut >= body.length) return void response.end(body);
    const { socket } = response;
    response.write(body.subarray(0, options.cut), () => (options.reset ? socket?.resetAndDestroy() : socket?.end()));
  };
}

export interface Bench {
  readonly world: World;
  readonly folder: string;
  /** The waits that were asked for, in ms; none takes more than a few. */
  readonly waits: number[];
  readonly abort: AbortController;
  close(): Promise<void>;
}

/** Real files and real network, a clock that hardly waits. */
export async function bench(changes: Partial<World> = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'models-'));
  const waits: number[] = [];
  const fake = fakeWorld();
  const real = http({});
  const impatient: Http = {
    ...real,
    request: (request) => real.request({ ...request, ...(request.idleTimeoutMs ? { idleTimeoutMs: 200 } : {}) }),
  };
  const world: World = {
    ...fake,
    files: localFiles,
    http: impatient,
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: async (ms) => {
        waits.push(ms);
        await new Promise((done) => setTimeout(done, 1));
      },
    },
    ...changes,
  };
  return { world, folder, waits, abort: fake.abort, close: () => rm(folder, { recursive: true, force: true }) };
}
