/** A real Kubernetes control plane on the loopback address: etcd, API server, controller manager, scheduler. No nodes. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';

const where = (script: string, ...words: string[]): string | undefined => {
  try {
    return execFileSync(`${import.meta.dirname}/${script}`, [...words, '--where'], {
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    return undefined;
  }
};

/** The folder where `test/kube/build` has put the programs; undefined when it has not finished. */
export const builtPrograms = (): string | undefined => where('build');

/** The folder where `test/kube/images` has put the archives; undefined when it has not finished. */
export const builtImages = (): string | undefined => where('images');

/** The folder where `test/kube/packages` has put Debian packages; undefined when it has not finished. */
export const builtPackages = (): string | undefined => where('packages');

/** The folder of signed rpms, packed now (40 s) where they are not; undefined without the Debian packages they are made of. */
function builtRpms(): string | undefined {
  if (builtPackages() === undefined) return undefined;
  return execFileSync(`${import.meta.dirname}/../hosts/rpms`, { encoding: 'utf8', stdio: 'pipe' }).trim();
}

/** What a mirror for test hosts serves; where it is not built, says what is not done for want of it. */
export function partsFor<K extends 'packages' | 'rpms'>(
  otherwise: string,
  kind: K,
): Readonly<Record<K | 'images', string>> | undefined {
  const [folder, images] = [kind === 'rpms' ? builtRpms() : builtPackages(), builtImages()];
  if (folder && images) return { [kind]: folder, images } as Record<K | 'images', string>;
  console.warn(`\n*** ${otherwise}; build its parts first: test/kube/images && test/kube/packages ***\n`);
  return undefined;
}

/** The program that `test/kube/part` has built of this name; undefined when it has not. */
export const builtPart = (name: string): string | undefined => where('part', name);

/** The etcd we build, or Debian's (3.4 is enough for an API server alone). */
export const etcdPath = builtPart('etcd') ?? ['/usr/bin/etcd', '/usr/local/bin/etcd'].find(existsSync);

export interface ControlPlane {
  /** Belongs to system:masters. */
  readonly kubeconfig: string;
  readonly server: string;
  readonly folder: string;
  /** Until /readyz answered ok. */
  readonly readyMs: number;
  get(path: string): Promise<{ status: number; body: string }>;
  kubectl(...words: string[]): string;
  close(): Promise<void>;
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** @param programs the folder of `test/kube/build` @param audited whether what accounts of pods ask is written down */
export async function controlPlane(programs: string, audited = false): Promise<ControlPlane> {
  const folder = mkdtempSync(`${tmpdir()}/dd-kube-`);
  const children: ChildProcess[] = [];
  const start = (program: string, words: string[]): void => {
    const log = openSync(`${folder}/${program.split('/').at(-1)}.log`, 'a');
    children.push(spawn(program, words, { stdio: ['ignore', log, log] }));
    closeSync(log);
  };
  const close = async (): Promise<void> => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { ...(await bring(programs, folder, start, children, audited)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function bring(
  programs: string,
  folder: string,
  start: (program: string, words: string[]) => void,
  children: readonly ChildProcess[],
  audited: boolean,
): Promise<Omit<ControlPlane, 'close'>> {
  const startedAt = performance.now();
  const [client, peer, secure] = (await Promise.all([freePort(), freePort(), freePort()])) as [number, number, number];
  execFileSync('openssl', ['genrsa', '-out', `${folder}/sa.key`, '2048'], { stdio: 'pipe' });
  writeFileSync(`${folder}/tokens`, 'test-token,admin,admin,"system:masters"\n');
  const server = `https://127.0.0.1:${secure}`;
  const kubeconfig = `${folder}/kubeconfig`;
  writeFileSync(kubeconfig, kubeconfigOf(server), { mode: 0o600 });
  start(etcdPath!, etcdWords(folder, client, peer));
  if (audited) writeFileSync(`${folder}/policy`, auditPolicy);
  start(`${programs}/kube-apiserver`, [
    ...apiServerWords(folder, client, secure),
    ...(audited ? auditWords(folder) : []),
  ]);
  const get = (path: string) => ask(`${server}${path}`);
  await until(async () => (await get('/readyz')).body === 'ok', children, folder);
  const common = ['--kubeconfig', kubeconfig, '--bind-address=127.0.0.1', '--leader-elect=false'];
  start(`${programs}/kube-controller-manager`, [
    ...common,
    `--secure-port=${await freePort()}`,
    `--service-account-private-key-file=${folder}/sa.key`,
    '--use-service-account-credentials=true',
    '--allocate-node-cidrs=true',
    '--cluster-cidr=10.244.0.0/16',
  ]);
  start(`${programs}/kube-scheduler`, [...common, `--secure-port=${await freePort()}`]);
  const kubectl = (...words: string[]): string =>
    execFileSync(`${programs}/kubectl`, ['--kubeconfig', kubeconfig, ...words], { encoding: 'utf8', stdio: 'pipe' });
  return { kubeconfig, server, folder, readyMs: performance.now() - startedAt, get, kubectl };
}

const etcdWords = (folder: string, client: number, peer: number): string[] => [
  `--data-dir=${folder}/etcd`,
  `--listen-client-urls=http://127.0.0.1:${client}`,
  `--advertise-client-urls=http://127.0.0.1:${client}`,
  `--listen-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-cluster=default=http://127.0.0.1:${peer}`,
  // A test's data need not survive a power cut.
  '--unsafe-no-fsync',
];

const apiServerWords = (folder: string, etcd: number, port: number): string[] => [
  `--etcd-servers=http://127.0.0.1:${etcd}`,
  '--bind-address=127.0.0.1',
  '--advertise-address=127.0.0.1',
  `--secure-port=${port}`,
  `--cert-dir=${folder}/certs`,
  `--token-auth-file=${folder}/tokens`,
  '--authorization-mode=Node,RBAC',
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${folder}/sa.key`,
  `--service-account-signing-key-file=${folder}/sa.key`,
  '--service-cluster-ip-range=10.96.0.0/16',
  // The service of the API itself would point to a loopback address, which no endpoint may have.
  '--endpoint-reconciler-type=none',
  '--allow-privileged=true',
];

const auditPolicy = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata', userGroups: ['system:serviceaccounts'] }, { level: 'None' }],
});

const auditWords = (folder: string): string[] => [
  `--audit-policy-file=${folder}/policy`,
  `--audit-log-path=${folder}/audit.ndjson`,
  '--audit-log-mode=blocking',
];

/** What accounts of a namespace asked: 'gpu-operator patch nodes', refused or not. */
export function askedBy(
  { folder }: Pick<ControlPlane, 'folder'>,
  namespace: string,
): { said: string; refused: boolean }[] {
  const lines = readFileSync(`${folder}/audit.ndjson`, 'utf8').split('\n').filter(Boolean);
  return lines.flatMap((line) => {
    const { user, verb, objectRef, responseStatus } = JSON.parse(line);
    const name = `${user.username}`.split(`system:serviceaccount:${namespace}:`)[1];
    if (name === undefined || objectRef === undefined) return [];
    const what = [objectRef.resource, objectRef.subresource].filter(Boolean).join('/');
    return [{ said: `${name} ${verb} ${what}`, refused: responseStatus?.code === 403 }];
  });
}

const kubeconfigOf = (server: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'admin', user: { token: 'test-token' } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  });

const ask = (url: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer test-token' };
    const sent = request(url, { headers, rejectUnauthorized: false, agent: false }, (got) => {
      let body = '';
      got.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      got.once('end', () => resolve({ status: got.statusCode!, body }));
    });
    sent.once('error', reject);
    sent.end();
  });

async function until(what: () => Promise<boolean>, children: readonly ChildProcess[], folder: string): Promise<void> {
  for (let i = 0; i < 600; i += 1) {
    const gone = children.find((child) => child.exitCode !== null);
    if (gone) throw new Error(`${gone.spawnfile} ended:\n${tail(folder, gone.spawnfile)}`);
    if (await what().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the API server is not ready after 60 s:\n${tail(folder, 'kube-apiserver')}`);
}

const tail = (folder: string, program: string): string =>
  readFileSync(`${folder}/${program.split('/').at(-1)}.log`, 'utf8')
    .split('\n')
    .slice(-15)
    .join('\n');

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await over;
}
