/** What the steps say they take is what a bundle is held against. */
import { describe, expect, it, test } from 'vitest';
import { anyMachine, refuseUnbundled } from '../../src/bundle/collect.js';
import { kernelsOf } from '../../src/bundle/kernels.js';
import { format, type Manifest, systemId } from '../../src/bundle/manifest.js';
import { lacking, needsOf } from '../../src/bundle/needs.js';
import { systems } from '../../src/bundle/system.js';
import { load, merge } from '../../src/config/load.js';
import { manifests } from '../../src/install/pins.js';
import { imagesIn } from '../../src/manifests/object.js';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';
import { fakeWorld } from '../world/fake.js';

async function machineOf(yaml: string, gpu = true, system = 'debian12', kernel?: string) {
  const { config } = merge(await load(`version: 1\n${yaml}`, 'deepseek.yaml'), []);
  const distribution = { ...systems[system]!, arch: 'amd64' as const };
  return anyMachine({ config, gpu }, distribution, fakeWorld(), kernel);
}

const needs = async (yaml = '', gpu = true) => needsOf(kubernetesSteps, await machineOf(yaml, gpu));

describe('what an install takes', () => {
  it('by default', async () => {
    const { packages, images, manifests: pinned } = await needs();
    const names = packages.map(({ name }) => name);
    for (const name of ['socat', 'lvm2', 'chrony', 'containerd.io', 'docker-ce', 'kubeadm', 'kubernetes-cni'])
      expect(names).toContain(name);
    expect(names).toContain('nvidia-container-toolkit');
    expect(packages).toContainEqual({ name: 'kubelet', version: '1.36.4' });
    expect(images).toEqual(
      expect.arrayContaining([
        'registry.k8s.io/kube-apiserver:v1.36.4',
        expect.stringMatching(/^registry\.k8s\.io\/pause:/),
        expect.stringMatching(/^ghcr\.io\/flannel-io\/flannel-cni-plugin:/),
        expect.stringMatching(/^nvcr\.io\/nvidia\/k8s-device-plugin:/),
        expect.stringMatching(/^docker\.io\/rancher\/local-path-provisioner:/),
        expect.stringMatching(/^docker\.io\/library\/busybox:/),
      ]),
    );
    expect(pinned).toEqual([]);
  });

  it('less without GPUs, Docker and volumes; calico as its authors publish it', async () => {
    const {
      packages,
      images,
      manifests: pinned,
    } = await needs('kubernetes: {docker: false, storage: none, network: calico}', false);
    expect(packages.map(({ name }) => name).filter((name) => /docker|nvidia/.test(name))).toEqual([]);
    expect(images.filter((name) => !name.startsWith('registry.k8s.io/'))).toEqual([]);
    expect(pinned).toEqual([manifests.calico]);
  });

  it('Rook with what its operator starts by itself, Ceph, and the manifests of its authors', async () => {
    const names = ['a', 'b', 'c'];
    const roles = (name: string): string => (name === 'a' ? 'control-plane, storage' : 'storage');
    const machines = names.map((name, at) => `${name}: {address: 10.0.0.${at + 1}, roles: [${roles(name)}]}`);
    const devices = names.map((name) => `${name}: [/dev/disk/by-id/x]`);
    const yaml = `kubernetes: {storageDevices: {${devices.join(', ')}}}\nhosts: {machines: {${machines.join(', ')}}}`;
    const { images, manifests: pinned } = await needs(yaml, false);
    expect(images).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^docker\.io\/rook\/ceph:v1\.20\./),
        expect.stringMatching(/^quay\.io\/ceph\/ceph:v20\./),
        expect.stringMatching(/^quay\.io\/cephcsi\/cephcsi:/),
        expect.stringMatching(/^registry\.k8s\.io\/sig-storage\/csi-provisioner:/),
      ]),
    );
    expect(pinned).toEqual([manifests.rookCrds, manifests.rookCommon, manifests.rookCsi, manifests.rookOperator]);
    expect((await machineOf(yaml)).cluster.settings.storage).toBe('rook');
  });

  it('a driver, only where it is to be installed and none answers', async () => {
    const { cluster, ...machine } = await machineOf('');
    const names = (driver: 'check' | 'install'): string[] => {
      const wished = { ...machine, cluster: { ...cluster, settings: { ...cluster.settings, driver } } };
      return needsOf(kubernetesSteps, wished).packages.map(({ name }) => name);
    };
    expect(names('install')).toContain('nvidia-open');
    expect(names('check')).not.toContain('nvidia-open');
  });

  it('a driver of the RHEL family cannot be bundled', async () => {
    const { cluster, ...machine } = await machineOf('');
    const settings = { ...cluster.settings, driver: 'install' } as const;
    const on = (id: string, version: string) => () =>
      refuseUnbundled({
        ...machine,
        facts: { ...machine.facts, os: { id, version } },
        cluster: { ...cluster, settings },
      });
    expect(on('rocky', '9.5')).toThrow(expect.objectContaining({ id: 'bundle.driver', exit: 'usage' }));
    expect(on('ubuntu', '24.04')).not.toThrow();
  });

  it('a driver for the kernels that are said; without one, what is of no kernel', async () => {
    const names = async (system: string, kernel?: string): Promise<string[]> => {
      const machine = await machineOf('kubernetes: {driver: install}', true, system, kernel);
      return needsOf(kubernetesSteps, machine)
        .packages.map(({ name }) => name)
        .filter((name) => /linux-|nvidia-(driver|open|headless)/.test(name));
    };
    expect(await names('debian12', '6.1.0-41-amd64')).toEqual([
      'nvidia-driver-pinning-580',
      'linux-headers-6.1.0-41-amd64',
      'nvidia-open',
    ]);
    expect(await names('debian12')).toEqual(['nvidia-driver-pinning-580', 'nvidia-open']);
    expect(await names('ubuntu24.04', '6.8.0-90-generic')).toEqual([
      'linux-modules-nvidia-580-server-open-6.8.0-90-generic',
      'nvidia-headless-no-dkms-580-server-open',
    ]);
    expect(await names('ubuntu24.04')).toEqual(['nvidia-headless-no-dkms-580-server-open']);
  });
});

test.each([
  [['6.1.0-41-amd64'], ['6.1.0-41-amd64']],
  [
    ['debian12=6.1.0-41-amd64', 'debian13=6.12.1', '5.10'],
    ['6.1.0-41-amd64', '5.10'],
  ],
  [['debian13=6.12.1'], []],
])('of the kernels %j Debian 12 has %j', (said, own) => {
  expect(kernelsOf(systems.debian12!, said)).toEqual(own);
});

test('images are found in JSON, in YAML, and in texts within them', () => {
  const text = `image: quay.io/calico/cni:v3.32.1
 - image: "ghcr.io/a/b:v1"
{"image":"docker.io/library/busybox:1.37"} {"data":"{\\"image\\": \\"nvcr.io/x/y:1.0-d\\"}"}
imagePullPolicy: Always
imageRepository: registry.k8s.io`;
  expect(imagesIn(text)).toEqual([
    'quay.io/calico/cni:v3.32.1',
    'ghcr.io/a/b:v1',
    'docker.io/library/busybox:1.37',
    'nvcr.io/x/y:1.0-d',
  ]);
});

describe('held against a bundle', () => {
  const yaml = 'kubernetes: {network: calico}';
  const full = async (): Promise<Manifest> => {
    const { packages, images, manifests: pinned } = await needs(yaml);
    return {
      kind: 'deepseek-deploy bundle',
      format,
      createdAt: '',
      target: 'kubernetes',
      kubernetes: '1.36.4',
      weights: [],
      systems: [
        {
          id: systemId({ ...systems.debian12!, arch: 'amd64' }),
          packages: packages.map(({ name, version = '1.0' }) => ({ name, version: version.replace('*', '7.1') })),
        },
      ],
      images: images.map((name) => ({ name, mediaType: '', digest: '', size: 0, blobs: [] })),
      files: pinned.map(({ path, sha256 }) => ({ path: `manifests/${path}`, bytes: 1, sha256 })),
    };
  };

  it('nothing is lacking from one that has it all', async () => {
    expect(lacking(await full(), 'debian12-amd64', await needs(yaml))).toEqual([]);
  });

  it.each(['ubuntu24.04-amd64', 'debian12-arm64'])('%s: it was made for another', async (system) => {
    const [only] = lacking(await full(), system, await needs());
    expect(only!.en).toBe(`packages of ${system}: it was made for debian12-amd64`);
  });

  it('each thing that is not in it is named', async () => {
    const whole = await full();
    const [{ id, packages }] = whole.systems as [Manifest['systems'][number]];
    const older = packages.map((one) => (one.name === 'kubelet' ? { ...one, version: '1.36.3' } : one));
    const less: Manifest = {
      ...whole,
      systems: [{ id, packages: older.filter(({ name }) => name !== 'socat') }],
      images: whole.images.filter(({ name }) => !name.includes('kube-proxy')),
      files: whole.files.map((file) => ({ ...file, sha256: 'f'.repeat(64) })),
    };
    expect(lacking(less, id, await needs(yaml)).map(({ en }) => en)).toEqual([
      'socat',
      'kubelet 1.36.4',
      'registry.k8s.io/kube-proxy:v1.36.4',
      manifests.calico.path,
    ]);
  });
});
