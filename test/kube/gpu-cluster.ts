/** A control plane with two played nodes, one of them with GPUs, and the steps' world on it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import type { Kubernetes } from '../../src/config/kubernetes.js';
import { merge } from '../../src/config/load.js';
import { realWorld } from '../../src/hosts/world.js';
import { adminConfig } from '../../src/install/kubeadm.js';
import { ours } from '../../src/install/packages.js';
import { operatorCrds } from '../../src/steps/gpu-layers.js';
import type { Machine } from '../../src/steps/machine.js';
import type { World } from '../../src/world.js';
import { builtPart, builtPrograms, type ControlPlane, controlPlane, etcdPath } from './control-plane.js';
import { canChroot, type Kubelet, kubelet, type Program } from './kubelet.js';

const programs = builtPrograms();
const features = builtPart('nfd');
const operator = process.env.DEEPSEEK_DEPLOY_TEST_GPU_OPERATOR;

export const missing = [
  ...(programs && etcdPath ? [] : ['Kubernetes: test/kube/build']),
  ...(features ? [] : ['its program: test/kube/part nfd']),
  ...(canChroot ? [] : ['root, for chroot']),
];
export const missingOperator = operator ? [] : ['its program: DEEPSEEK_DEPLOY_TEST_GPU_OPERATOR'];

/** With GPUs, and without. */
export const node = 'gpu-1';
export const plain = 'cpu-1';

export interface GpuCluster {
  readonly plane: ControlPlane;
  readonly world: World;
  /** Of device plugins that were there on the node at the same moment, the most. */
  readonly most: Kubelet['most'];
  machine(gpuLayer: Kubernetes['gpuLayer']): Machine;
  // biome-ignore lint/suspicious/noExplicitAny: what kubectl prints is looked at field by field
  json(...words: string[]): any;
  create(documents: string): void;
  /** Pods with this label `app` are ready no more, until they are. */
  sicken(app: string, sick: boolean): void;
  /** What programs wrote. */
  log(): string;
  /** The operator looks again. */
  touchPolicy(): void;
  close(): Promise<void>;
}

/** A host as its kernel tells it, with one device: NVIDIA's, or a network card. */
function hostFiles(folder: string, gpu: boolean): Readonly<Record<string, string>> {
  const device = `${folder}/sys/bus/pci/devices/0000:01:00.0`;
  mkdirSync(device, { recursive: true });
  const vendor = gpu ? '0x10de' : '0x8086';
  const ids = {
    class: gpu ? '0x030200' : '0x020000',
    vendor,
    device: '0x2330',
    subsystem_vendor: vendor,
    subsystem_device: '0x16c1',
  };
  for (const [name, id] of Object.entries(ids)) writeFileSync(`${device}/${name}`, `${id}\n`);
  writeFileSync(`${folder}/os-release`, 'ID=debian\nVERSION_ID="12"\n');
  return { '/sys': `${folder}/sys`, '/etc/os-release': `${folder}/os-release` };
}

const featuresFolder = (): string =>
  execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/node-feature-discovery'], {
    cwd: `${import.meta.dirname}/nfd`,
    encoding: 'utf8',
  }).trim();

/** Serves the pinned manifests under their paths. */
async function serve(): Promise<{ server: Server; address: string }> {
  const folder = featuresFolder();
  const placeOf = (path: string): string =>
    path.startsWith('NVIDIA/')
      ? `${operator}/crds/${basename(path)}`
      : `${folder}/${path.split('/').slice(3).join('/')}`;
  const files = new Map(operatorCrds.map(({ path }) => [`/${path}`, placeOf(path)]));
  const server = createServer(({ url }, answer) => {
    const file = files.get(url ?? '');
    if (file === undefined) answer.writeHead(404).end();
    else answer.end(readFileSync(file));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const images = (): Readonly<Record<string, Program>> => {
  const nfd = { args: ['-port=0'] };
  return {
    'nfd-master': { ...nfd, path: features!.replace(/nfd$/, 'nfd-master') },
    'nfd-worker': { ...nfd, path: features!.replace(/nfd$/, 'nfd-worker') },
    'gpu-operator': {
      path: `${operator}/gpu-operator`,
      args: ['--metrics-bind-address=0', '--health-probe-bind-address=127.0.0.1:0'],
      files: { '/opt/gpu-operator': `${operator}/opt` },
    },
  };
};

/** As if on the first control plane: its kubeconfig and its own folder are the test's. */
function worldOn({ kubeconfig }: ControlPlane, folder: string): World {
  const real = realWorld({ lang: 'en', json: false, yes: true }, folder, new AbortController());
  const here = (word: string): string => word.replaceAll(adminConfig, kubeconfig).replaceAll(ours, folder);
  const env = { PATH: `${programs}:${process.env.PATH}` };
  const run: World['host']['run'] = (command, options) => {
    const argv = command.argv.map(here) as [string, ...string[]];
    return real.host.run({ ...command, argv, env: { ...command.env, ...env } }, options);
  };
  return { ...real, host: { ...real.host, run } };
}

export async function gpuCluster(): Promise<GpuCluster> {
  const folder = mkdtempSync(`${tmpdir()}/dd-gpus-`);
  const plane = await controlPlane(programs!, true);
  plane.kubectl('wait', '--for=create', 'serviceaccount/default', '--timeout=60s');
  const [gpus, none] = [`${folder}/gpus`, `${folder}/none`];
  const nodes = [
    await kubelet({ plane, node, gpus: 8, host: hostFiles(gpus, true), programs: images() }),
    await kubelet({ plane, node: plain, gpus: 0, host: hostFiles(none, false), programs: images() }),
  ] as const;
  const { server, address } = await serve();
  const { kubernetes } = merge(undefined, []).config;
  const machines = [
    { name: node, address: '10.0.0.1', roles: ['control-plane'], gpu: true },
    { name: plain, address: '10.0.0.2', roles: ['worker'], gpu: false },
  ];
  const words = (...all: string[]) => ['--kubeconfig', plane.kubeconfig, ...all];
  let touched = 0;
  return {
    plane,
    world: worldOn(plane, folder),
    most: nodes[0].most,
    machine: (gpuLayer) => {
      const cluster = { settings: { ...kubernetes, gpuLayer }, sources: { manifests: address }, machines };
      return { ...machines[0], facts: {}, cluster } as unknown as Machine;
    },
    json: (...all) => JSON.parse(plane.kubectl(...all, '-o', 'json')),
    create: (input) => void execFileSync(`${programs}/kubectl`, words('create', '-f', '-'), { input, stdio: 'pipe' }),
    log: () =>
      Object.keys(images())
        .flatMap((name) => nodes.map((one) => `${name}:\n${one.log(name).slice(-2000)}`))
        .join('\n'),
    sicken: (app, sick) => nodes[0].sicken(app, sick),
    touchPolicy: () => {
      touched += 1;
      const annotations = { touched: String(touched) };
      const patch = JSON.stringify({ spec: { daemonsets: { annotations } } });
      plane.kubectl('patch', 'clusterpolicy', 'cluster-policy', '--type=merge', '-p', patch);
    },
    async close() {
      server.close();
      for (const one of nodes) await one.close();
      await plane.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
