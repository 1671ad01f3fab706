/** A control plane and a worker whose GPUs are played: `init` makes them a cluster that gives GPUs to pods, over sudo. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { kubectl } from '../../src/steps/at-node.js';
import { partsFor } from '../kube/control-plane.js';
import { cli } from './cli.js';
import { giveGpus } from './gpu.js';
import { keptKernel, type Machines, machines } from './machines.js';
import { type Mirror, mirror } from './mirror.js';

const parts = partsFor('no cluster was brought up', 'packages');

describe.skipIf(!parts)('a control plane and a GPU worker', () => {
  let two: Machines;
  let ssh: Ssh;
  let first: SshHost;
  let from: Mirror;
  let folder: string;
  let type: ReturnType<typeof cli>;
  const putBack = keptKernel();

  beforeAll(async () => {
    two = await machines(2);
    const [control, worker] = two.hosts;
    from = await mirror(control!.address.replace(/\d+$/, '1'), parts!);
    ssh = openSsh(two.settings, process.env);
    first = ssh.host(control!.target());
    await giveGpus(ssh.host(worker!.target()));
    folder = mkdtempSync(`${tmpdir()}/dd-gpu-`);
    type = cli(`${process.cwd()}/src/main.ts`, folder);
    const { identityFile } = control!.target();
    writeFileSync(
      `${folder}/deepseek.yaml`,
      `version: 1
target: kubernetes
kubernetes: {allowCgroupV1: true, docker: false, storage: none}
mirrors:
  docker: ${from.address}/docker
  kubernetes: ${from.address}/kubernetes
  toolkit: ${from.address}/toolkit
  keys: {docker: ${from.fingerprint}, kubernetes: ${from.fingerprint}, toolkit: ${from.fingerprint}}
  registries: {registry.k8s.io: ["${from.address}"], ghcr.io: ["${from.address}"], nvcr.io: ["${from.address}"]}
hosts:
  machines:
    control: {address: ${control!.address}, user: free, roles: [control-plane], identityFile: ${identityFile}}
    gpu-1: {address: ${worker!.address}, user: free, roles: [worker], identityFile: ${identityFile}}
`,
    );
  });
  afterAll(async () => {
    await ssh?.close();
    await from?.close();
    await two?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
    putBack();
  });

  const ask = async (words: string, stdin?: string): Promise<string> => {
    const { code, stdout, stderr } = await first.run(kubectl(words.split(' '), stdin, 200_000));
    if (code !== 0) throw new Error(`kubectl ${words}: ${code}\n${stdout}\n${stderr}`);
    return stdout;
  };

  it('become a cluster that has GPUs, and the next init changes nothing', async () => {
    const made = await type('init --yes --accept-new-host-keys');
    console.log(`init: ${(made.ms / 1000).toFixed(1)} s\n${made.text}`);
    expect(made.code, made.text).toBe(0);
    expect(await ask('get node gpu-1 -o jsonpath={.status.allocatable.nvidia\\.com/gpu}')).toBe('2');
    const again = await type('init --yes');
    console.log(`again: ${(again.ms / 1000).toFixed(1)} s`);
    expect(again.text).toContain('Nothing to change.');
  }, 900_000);

  it('give them to a pod by the runtime that shows them', async () => {
    const limits = { 'nvidia.com/gpu': 2 };
    const container = { name: 'c', image: 'registry.k8s.io/pause:3.10.2', resources: { limits } };
    const spec = { runtimeClassName: 'nvidia', containers: [container] };
    await ask('apply -f -', JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec }));
    await ask('wait --for=condition=Ready pod/p --timeout=120s');
    expect(await ask('get pod p -o jsonpath={.spec.nodeName}')).toBe('gpu-1');
  }, 300_000);

  it('measure them', async () => {
    const address = await ask('-n kube-system get service nvidia-dcgm-exporter -o jsonpath={.spec.clusterIP}');
    // The rules of a new service reach the nodes a moment after its pods run.
    const words = ['--max-time', '10', '--retry', '10', '--retry-delay', '2', '--retry-all-errors'];
    const { stdout, stderr } = await first.run({
      argv: ['curl', '-fsS', ...words, `http://${address}:9400/metrics`],
      timeoutMs: 60_000,
    });
    expect(stdout, stderr).toContain('DCGM_FI_DEV_GPU_UTIL{gpu="1"}');
  }, 90_000);

  it('are as they were before after a reset', async () => {
    const told = await type('reset --cluster default --yes');
    console.log(`reset: ${(told.ms / 1000).toFixed(1)} s\n${told.text}`);
    expect(told.code, told.text).toBe(0);
    const left = `dpkg-query -W -f '\${Package}\\n' | grep -xE 'kube.*|cri-tools|containerd.io|nvidia-.*'
      find / -xdev -name '*deepseek-deploy*' -not -path '/proc/*' -not -path '/var/lib/deepseek-deploy*'
      ls -d /etc/kubernetes/*.conf /etc/kubernetes/manifests/* /etc/cni/net.d /var/lib/etcd/member 2>/dev/null
      ip -o link | grep -E ': (cni0|flannel)'
      ps -eo comm= | grep -E '^(kubelet|containerd|etcd|kube-.*|flanneld)$'
      exit 0`;
    for (const machine of two.hosts) {
      const { stdout } = await ssh.host(machine.target()).run({ argv: ['sh', '-c', left], timeoutMs: 60_000 });
      expect(`${machine.name}: ${stdout}`).toBe(`${machine.name}: `);
    }
  }, 600_000);
});
