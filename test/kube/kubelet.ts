/**
 * Plays the kubelet of one node on a control plane that has none: pods given to the node become ready; those whose
 * program is at hand really run it, as their own account, with the command, arguments, environment and mounts of their
 * spec, and nothing else in their root. What plays a device plugin offers GPUs while it is there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { basename, dirname } from 'node:path';
import type { ControlPlane } from './control-plane.js';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { name: string; value?: string; valueFrom?: { fieldRef?: { fieldPath: string } } }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly serviceAccountName?: string;
    readonly containers: readonly Container[];
    readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
  };
}

export interface Program {
  readonly path: string;
  /** After those of the spec: the ports of many pods are all this machine's. */
  readonly args: readonly string[];
  /** Folders of its image, by the place they have there. */
  readonly files?: Readonly<Record<string, string>>;
}

interface Played {
  readonly plane: ControlPlane;
  readonly node: string;
  /** What lies on the played host: a path of it to a path of this machine. */
  readonly host: Readonly<Record<string, string>>;
  /** By the first word of a container's command. */
  readonly programs: Readonly<Record<string, Program>>;
  readonly gpus: number;
}

export interface Kubelet {
  /** Of pods that were there as device plugins at the same moment, the most. */
  readonly most: { plugins: number };
  /** What a program wrote, by the name of its pod's container. */
  log(program: string): string;
  /** Its pods are ready no more, until it is told that they are. */
  sicken(app: string, sick: boolean): void;
  close(): Promise<void>;
}

function call(plane: ControlPlane, method: string, path: string, body?: object, type = 'application/json') {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = { authorization: 'Bearer test-token', 'content-type': type };
    const sent = request(
      `${plane.server}${path}`,
      { method, headers, rejectUnauthorized: false, agent: false },
      (got) => {
        let text = '';
        got.setEncoding('utf8').on('data', (more: string) => {
          text += more;
        });
        got.once('end', () => resolve({ status: got.statusCode!, body: text }));
      },
    );
    sent.once('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

const chroot = ['/usr/sbin/chroot', '/usr/bin/chroot'].find(existsSync);
/** Whether what a pod has of the system can be given to a process here. */
export const canChroot = process.geteuid?.() === 0 && chroot !== undefined;

const merge = 'application/merge-patch+json';
const pathOf = ({ metadata: { namespace, name } }: Pod): string => `/api/v1/namespaces/${namespace}/pods/${name}`;
const isPlugin = ({ metadata: { labels } }: Pod): boolean =>
  /^nvidia-device-plugin(-daemonset)?$/.test(labels?.app ?? '');

export async function kubelet(played: Played): Promise<Kubelet> {
  const { plane, node } = played;
  const folder = mkdtempSync(`${tmpdir()}/dd-kubelet-`);
  const programs = new Programs(played, folder);
  const sick = new Set<string>();
  const most = { plugins: 0 };
  let offered = -1;
  let beatAt = Date.now();
  let closed = false;

  async function round(): Promise<void> {
    if (Date.now() - beatAt > 5000) {
      beatAt = Date.now();
      await tell(plane, node, { conditions: [heartbeat()] });
    }
    const all = (JSON.parse((await call(plane, 'GET', '/api/v1/pods')).body) as { items: Pod[] }).items;
    const here = all.filter(({ spec }) => spec.nodeName === node);
    const stay = here.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    await programs.endAllBut(stay.map(({ metadata }) => metadata.uid));
    for (const pod of here)
      if (stay.includes(pod)) await settle(plane, pod, programs.runs(pod) && !sick.has(pod.metadata.labels?.app ?? ''));
      else await call(plane, 'DELETE', `${pathOf(pod)}?gracePeriodSeconds=0`);
    most.plugins = Math.max(most.plugins, here.filter(isPlugin).length);
    const now = stay.some(isPlugin) ? played.gpus : 0;
    if (now === offered) return;
    const resources = { 'nvidia.com/gpu': String(now) };
    await tell(plane, node, { capacity: resources, allocatable: resources });
    offered = now;
  }

  await register(plane, node, played.gpus > 0);
  const over = (async () => {
    while (!closed) {
      await round().catch((error: unknown) => {
        if (!closed) console.warn('the played kubelet:', error);
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  return {
    most,
    log: (program) => (existsSync(`${folder}/${program}.log`) ? readFileSync(`${folder}/${program}.log`, 'utf8') : ''),
    sicken: (app, now) => void (now ? sick.add(app) : sick.delete(app)),
    async close() {
      closed = true;
      await over;
      await programs.endAllBut([]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const tell = (plane: ControlPlane, node: string, status: object) =>
  call(plane, 'PATCH', `/api/v1/nodes/${node}/status`, { status }, merge);

async function settle(plane: ControlPlane, pod: Pod, ready: boolean): Promise<void> {
  const conditions = ['Ready', 'ContainersReady'].map((type) => ({ type, status: ready ? 'True' : 'False' }));
  await call(plane, 'PATCH', `${pathOf(pod)}/status`, { status: { phase: 'Running', conditions } }, merge);
}

/** The processes that pods are, by the pod's id. */
class Programs {
  private readonly running = new Map<string, ChildProcess>();
  constructor(
    private readonly played: Played,
    private readonly folder: string,
  ) {}

  /** Whether it runs already; it is started where it does not, and again where it has ended. */
  runs(pod: Pod): boolean {
    const program = this.played.programs[pod.spec.containers[0]!.command?.[0] ?? ''];
    if (!program) return true;
    const { uid } = pod.metadata;
    if (this.running.get(uid)?.exitCode === null) return true;
    this.running.set(uid, start(pod, program, this.played, this.folder));
    return false;
  }

  async endAllBut(uids: readonly string[]): Promise<void> {
    for (const [uid, child] of this.running) {
      if (uids.includes(uid)) continue;
      await end(child);
      this.running.delete(uid);
    }
  }
}

/** Without one for 40 s a node counts as lost. */
const heartbeat = () => ({
  type: 'Ready',
  status: 'True',
  lastHeartbeatTime: `${new Date().toISOString().slice(0, 19)}Z`,
});

async function register(plane: ControlPlane, name: string, gpu: boolean): Promise<void> {
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    ...(gpu ? { 'nvidia.com/gpu.present': 'true' } : {}),
  };
  await call(plane, 'POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
  const capacity = { cpu: '64', memory: '512Gi', pods: '110' };
  const nodeInfo = { containerRuntimeVersion: 'containerd://2.3.4', kubeletVersion: 'v1.36.4' };
  const status = { capacity, allocatable: capacity, conditions: [heartbeat()], nodeInfo };
  await tell(plane, name, status);
}

const fields = (pod: Pod): Readonly<Record<string, string | undefined>> => ({
  'metadata.name': pod.metadata.name,
  'metadata.namespace': pod.metadata.namespace,
  'metadata.uid': pod.metadata.uid,
  'spec.nodeName': pod.spec.nodeName,
});

/** Its root holds the program, what its image and its mounts put there, and the account's token; as in a pod. */
function start(pod: Pod, program: Program, { plane, host }: Played, folder: string): ChildProcess {
  const [container] = pod.spec.containers as readonly [Container];
  const root = `${folder}/${pod.metadata.uid}`;
  rmSync(root, { recursive: true, force: true });
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(`${root}${to}`), { recursive: true });
    cpSync(from, `${root}${to}`, { recursive: true });
  };
  put(program.path, `/${basename(program.path)}`);
  for (const [to, from] of Object.entries(program.files ?? {})) put(from, to);
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const path = pod.spec.volumes?.find((one) => one.name === name)?.hostPath?.path;
    // The programs of images look below /host-…, those built here without.
    if (path !== undefined && host[path] !== undefined) put(host[path], mountPath.replace(/^\/host-/, '/'));
  }
  const account = '/var/run/secrets/kubernetes.io/serviceaccount';
  const { namespace } = pod.metadata;
  put(`${plane.folder}/certs/apiserver.crt`, `${account}/ca.crt`);
  writeFileSync(`${root}${account}/namespace`, namespace);
  const token = plane.kubectl('-n', namespace, 'create', 'token', pod.spec.serviceAccountName ?? 'default');
  writeFileSync(`${root}${account}/token`, token.trim());
  mkdirSync(`${root}/tmp`, { recursive: true });

  const env = (container.env ?? []).map(({ name, value, valueFrom }) => {
    const from = valueFrom?.fieldRef?.fieldPath;
    return [name, value ?? (from === undefined ? undefined : fields(pod)[from])];
  });
  const { hostname, port } = new URL(plane.server);
  const log = openSync(`${folder}/${container.name}.log`, 'a');
  const words = [root, `/${basename(program.path)}`, ...(container.args ?? []), ...program.args];
  const child = spawn(chroot!, words, {
    stdio: ['ignore', log, log],
    env: { ...Object.fromEntries(env), KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
  });
  closeSync(log);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await over;
}
