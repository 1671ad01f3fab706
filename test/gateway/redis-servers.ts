/** Real Redis servers on loopback ports of the system's choosing, each with a folder of its own, gone after `stop`. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, until } from './harness.js';

const run = promisify(execFile);

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Certificate of the CA, with `tls`. */
  readonly ca?: string;
  /** redis-cli with this server's password and TLS. */
  cli(...words: string[]): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Kills it as a power cut would. */
  kill(): Promise<void>;
  /** The same server on the same port again, without its data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly password?: string;
  /** A user of the ACL, beside the default one: 'app on >secret ~* +@all'. */
  readonly user?: string;
  readonly tls?: boolean;
  readonly cluster?: boolean;
  readonly port?: number;
  readonly more?: readonly string[];
}

/** A CA and a certificate for 127.0.0.1 and localhost. */
async function certificates(folder: string): Promise<string> {
  const openssl = (...words: string[]) => run('openssl', words, { cwd: folder });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await openssl('req', '-x509', ...curve, '-subj', '/CN=test CA', '-keyout', 'ca.key', '-out', 'ca.crt');
  await openssl(
    ...['req', '-x509', ...curve, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', 'redis.key', '-out', 'redis.crt'],
  );
  return join(folder, 'ca.crt');
}

function configuration(folder: string, port: number, options: ServerOptions): string[] {
  const listen = options.tls
    ? ['--port', '0', '--tls-port', `${port}`, '--tls-cert-file', 'redis.crt', '--tls-key-file', 'redis.key']
    : ['--port', `${port}`];
  return [
    ...['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', '--daemonize', 'no'],
    ...listen,
    ...(options.tls ? ['--tls-ca-cert-file', 'ca.crt', '--tls-auth-clients', 'no'] : []),
    ...(options.password ? ['--requirepass', options.password] : []),
    ...(options.user ? ['--user', ...options.user.split(' ')] : []),
    ...(options.cluster
      ? ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0']
      : []),
    ...(options.more ?? []),
  ];
}

export async function startRedis(options: ServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const folder = await mkdtemp(join(tmpdir(), 'redis-'));
  const ca = options.tls ? await certificates(folder) : undefined;
  const cli = async (...words: string[]) => {
    const login = [...(options.password ? ['-a', options.password] : []), ...(ca ? ['--tls', '--cacert', ca] : [])];
    const { stdout } = await run('redis-cli', ['--no-auth-warning', '-p', `${port}`, ...login, ...words], {
      timeout: 60_000,
    });
    return stdout.trim();
  };
  let child: ChildProcess;
  let gone: Promise<void>;
  const launch = async () => {
    child = spawn('redis-server', configuration(folder, port, options), { cwd: folder, stdio: 'ignore' });
    gone = new Promise((done) => child.once('exit', () => done()));
    await until('Redis answers', async () => (await cli('ping').catch(() => '')) === 'PONG' || undefined);
  };
  const kill = async () => {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await gone;
  };
  const stop = async () => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await launch();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host: '127.0.0.1',
    port,
    get pid() {
      return child.pid!;
    },
    ...(ca ? { ca } : {}),
    cli,
    signal: (name) => void child.kill(name),
    kill,
    restart: launch,
    stop,
  };
}

export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  /** The first, e.g. to give to redis-cli. */
  readonly seed: RedisServer;
  /** The server that is master of the slot now, as the seed sees it. */
  masterOf(slot: number): Promise<RedisServer>;
  /** Moves slots from one master to another while both serve. */
  reshard(from: RedisServer, to: RedisServer, slots: number): Promise<void>;
  stop(): Promise<void>;
}

/** Makes them one cluster, and waits until each knows all and the replicas have what their masters have. */
async function unite(servers: readonly RedisServer[], buses: readonly number[]): Promise<void> {
  const seed = servers[0]!;
  const addresses = servers.map(({ host, port }, i) => `${host}:${port}@${buses[i]}`);
  await seed.cli('--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes');
  await until(
    'the cluster is whole',
    async () => {
      const infos = await Promise.all(servers.map((one) => one.cli('cluster', 'info')));
      const links = await Promise.all(servers.map((one) => one.cli('info', 'replication')));
      const linked = links.filter((link) => link.includes('master_link_status:up')).length === 3;
      return (linked && infos.every((info) => info.includes('cluster_state:ok'))) || undefined;
    },
    20_000,
  );
}

/** Three masters with one replica each; all 16384 slots served. */
export async function startCluster(options: ServerOptions = {}): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  // Where the nodes talk to one another; by default 10000 above, which somebody may have taken.
  const buses: number[] = [];
  try {
    for (let i = 0; i < 6; i += 1) {
      buses.push(await freePort());
      const more = [...(options.more ?? []), '--cluster-port', `${buses[i]}`];
      servers.push(await startRedis({ ...options, cluster: true, more }));
    }
    await unite(servers, buses);
  } catch (error) {
    await Promise.all(servers.map((one) => one.stop()));
    throw error;
  }
  const seed = servers[0]!;
  const byPort = (port: number) => servers.find((one) => one.port === port)!;
  return {
    servers,
    seed,
    async masterOf(slot) {
      const alive = await until('a node that answers', async () => {
        for (const one of servers) if ((await one.cli('ping').catch(() => '')) === 'PONG') return one;
        return undefined;
      });
      const nodes = (await alive.cli('cluster', 'nodes')).split('\n').map((line) => line.split(' '));
      const owner = nodes.find(
        ([, , flags, , , , , , ...ranges]) =>
          flags!.includes('master') &&
          ranges.some((range) => {
            const [from, to = from] = range.split('-').map(Number);
            return slot >= from! && slot <= to!;
          }),
      );
      return byPort(Number(/:(\d+)@/.exec(owner![1]!)![1]));
    },
    async reshard(from, to, slots) {
      const id = async (one: RedisServer) => one.cli('cluster', 'myid');
      // After a move it takes the nodes a moment to agree again; until then redis-cli refuses.
      const agreed = () =>
        seed.cli('--cluster', 'check', `127.0.0.1:${seed.port}`).then(
          () => true,
          () => undefined,
        );
      await until('the nodes agree on the slots', agreed, 20_000);
      await seed.cli(
        ...['--cluster', 'reshard', `127.0.0.1:${seed.port}`, '--cluster-from', await id(from)],
        ...['--cluster-to', await id(to), '--cluster-slots', `${slots}`, '--cluster-yes'],
      );
    },
    async stop() {
      await Promise.all(servers.map((one) => one.stop()));
    },
  };
}

/** No Redis at all: answers each piece of a request with what it is told to. */
export async function fakeRedis(
  // biome-ignore lint/suspicious/noConfusingVoidType: most answers are given later, or never
  answer: (data: string, socket: Socket) => string | void,
): Promise<Server & { readonly host: string; readonly port: number }> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (data) => socket.write(answer(data.toString('latin1'), socket) ?? ''));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return Object.assign(server, { host: '127.0.0.1', port: (server.address() as AddressInfo).port });
}
