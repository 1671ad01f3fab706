import { describe, expect, it, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { Kubernetes } from '../../src/config/kubernetes.js';
import { load, merge } from '../../src/config/load.js';
import {
  type ClusterWish,
  initText,
  joinText,
  readJoinCommand,
  readPreflight,
  taintsOf,
} from '../../src/install/kubeadm.js';

const { config } = merge(await load('version: 1\n', 'deepseek.yaml'), []);
const cluster = (settings: Partial<Kubernetes> = {}): ClusterWish => ({
  settings: { ...config.kubernetes, ...settings },
  endpoint: '10.0.0.1:6443',
  systemdCgroup: true,
  keepConntrack: false,
});
const node = { name: 'cp', address: '10.0.0.1', roles: ['control-plane'], open: false } as const;
const read = (text: string): Record<string, unknown>[] => parseAllDocuments(text).map((one) => one.toJS());
const kubelet = (text: string) => read(text).find(({ kind }) => kind === 'KubeletConfiguration');

describe('what kubeadm init is told', () => {
  it('is the whole of it', async () => {
    await expect(initText(node, cluster())).toMatchFileSnapshot('golden/kubeadm-init.yaml');
  });

  it.each(['n', 'on', '012', '1e3', 'null'])('has a host called %s by a name, not by a value', (name) => {
    const text = initText({ ...node, name }, cluster());
    const all = parseAllDocuments(text, { version: '1.1' }).map((one) => one.toJS());
    expect(all[0]).toMatchObject({ nodeRegistration: { name } });
    expect(all[1]).toMatchObject({ apiServer: { certSANs: ['10.0.0.1', name, '127.0.0.1'] } });
  });

  it('lets go of control groups of version 1 only when it is said', () => {
    const plain = initText(node, cluster());
    expect(plain).not.toContain('ignorePreflightErrors');
    expect(kubelet(plain)).toMatchObject({ failCgroupV1: true, cgroupDriver: 'systemd' });
    const allowed = initText(node, cluster({ allowCgroupV1: true }));
    expect(allowed.match(/SystemVerification/g)).toHaveLength(1);
    expect(kubelet(allowed)).toMatchObject({ failCgroupV1: false });
  });

  it('names the mode of kube-proxy always', () => {
    for (const proxyMode of ['iptables', 'nftables'] as const)
      expect(read(initText(node, cluster({ proxyMode }))).at(-1)).toMatchObject({ mode: proxyMode });
  });
});

describe('what kubeadm join is told', () => {
  const secrets = { token: 'abcdef.0123456789abcdef', caCertHash: `sha256:${'a'.repeat(64)}` };
  const worker = { name: 'gpu-1', address: '10.0.0.2', roles: ['worker'], open: false } as const;

  it('pins the CA, and is no control plane', () => {
    const [only, ...rest] = read(joinText(worker, cluster(), secrets));
    expect(rest).toEqual([]);
    expect(only).toMatchObject({
      kind: 'JoinConfiguration',
      nodeRegistration: { name: 'gpu-1', kubeletExtraArgs: [{ name: 'node-ip', value: '10.0.0.2' }] },
      discovery: { bootstrapToken: { ...{ apiServerEndpoint: '10.0.0.1:6443' }, caCertHashes: [secrets.caCertHash] } },
    });
    expect(only).not.toHaveProperty('controlPlane');
    expect(JSON.stringify(only)).not.toContain('unsafeSkipCAVerification');
  });

  it('makes a further control plane with the key of the certificates', () => {
    const [only] = read(joinText({ ...node, address: '10.0.0.3' }, cluster(), { ...secrets, certificateKey: 'k' }));
    expect(only).toMatchObject({
      controlPlane: { certificateKey: 'k', localAPIEndpoint: { advertiseAddress: '10.0.0.3' } },
    });
  });

  it('comes from what kubeadm prints, or not at all', () => {
    const line = `kubeadm join 10.0.0.1:6443 --token ${secrets.token} --discovery-token-ca-cert-hash ${secrets.caCertHash} \n`;
    expect(readJoinCommand(line)).toEqual(secrets);
    expect(readJoinCommand('couldn’t create a token')).toBeUndefined();
  });
});

test.each([
  [['control-plane'], true, []],
  [['control-plane', 'worker'], false, []],
  [['worker', 'storage'], false, []],
  [['control-plane'], false, ['node-role.kubernetes.io/control-plane']],
  [['storage'], false, ['deepseek-deploy.io/storage']],
  [['control-plane', 'storage'], false, ['node-role.kubernetes.io/control-plane', 'deepseek-deploy.io/storage']],
] as const)('%j (open: %s) is kept from pods by %j', (roles, open, keys) => {
  expect(taintsOf({ roles, open }).map(({ key }) => key)).toEqual(keys);
});

test('what preflight found is told apart', () => {
  const text = `[preflight] Some fatal errors occurred:
\t[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2
\t[ERROR FileContent--proc-sys-net-ipv4-ip_forward]: /proc/sys/net/ipv4/ip_forward contents are not set to 1
\t[WARNING SystemVerification]: cgroups v1 support is in maintenance mode,
please migrate to cgroups v2
[preflight] If you know what you are doing, you can make a check non-fatal
`;
  expect(readPreflight(text).map(({ severity, id }) => `${severity} ${id}`)).toEqual([
    'ERROR NumCPU',
    'ERROR FileContent--proc-sys-net-ipv4-ip_forward',
    'WARNING SystemVerification',
  ]);
});
