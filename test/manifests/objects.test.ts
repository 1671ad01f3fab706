/** What holds for every object that we write; that the API server takes them is tried in test/kube. */
import { describe, expect, it, test } from 'vitest';
import { calicoSettings } from '../../src/manifests/calico.js';
import { flannel } from '../../src/manifests/flannel.js';
import { dcgmExporter, devicePlugin } from '../../src/manifests/gpu.js';
import { gpuOperator } from '../../src/manifests/gpu-operator.js';
import { localPath } from '../../src/manifests/local-path.js';
import { documentsOf, type KubeObject } from '../../src/manifests/object.js';
import { rookCluster } from '../../src/manifests/rook.js';

const all: readonly (readonly [string, readonly KubeObject[]])[] = [
  ['flannel', flannel({ podSubnet: '10.10.0.0/16', nftables: false })],
  ['calico', calicoSettings()],
  ['device plugin', devicePlugin()],
  ['DCGM exporter', dcgmExporter()],
  ['GPU operator', gpuOperator()],
  ['local-path', localPath()],
  ['Rook', rookCluster([{ name: 's1', devices: ['/dev/disk/by-id/a'] }])],
];

interface Pod {
  readonly containers: readonly { readonly image: string }[];
  readonly initContainers?: readonly { readonly image: string }[];
  readonly runtimeClassName?: string;
  readonly nodeSelector?: object;
}

const pods = (objects: readonly KubeObject[]): readonly Pod[] =>
  objects.flatMap((one) => {
    const template = (one.spec as { template?: { spec: Pod } } | undefined)?.template;
    return template ? [template.spec] : [];
  });

describe.each(all)('%s', (_, objects) => {
  it('names no object twice, and every image by its registry and version', () => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    const images = pods(objects).flatMap((pod) => [...pod.containers, ...(pod.initContainers ?? [])]);
    for (const { image } of images) expect(image).toMatch(/^[a-z0-9-]+(\.[a-z0-9-]+)+\/[^:]+:[^:]*\d[^:]*$/);
  });

  it('is text that has every object, labelled as ours', () => {
    const read = documentsOf(objects)
      .split('\n---\n')
      .map((one) => JSON.parse(one) as KubeObject);
    expect(read.map(({ kind }) => kind)).toEqual(objects.map(({ kind }) => kind));
    for (const { metadata } of read)
      expect(metadata.labels).toMatchObject({ 'app.kubernetes.io/managed-by': 'deepseek-deploy' });
  });
});

test('the pods get the range of the configuration', () => {
  const config = flannel({ podSubnet: '10.10.0.0/16', nftables: true }).find(({ kind }) => kind === 'ConfigMap')!;
  expect(JSON.parse((config.data as Record<string, string>)['net-conf.json']!)).toEqual({
    Network: '10.10.0.0/16',
    EnableNFTables: true,
    Backend: { Type: 'vxlan' },
  });
});

test('what looks at GPUs runs where there are some, by the runtime that shows them', () => {
  for (const pod of pods([...devicePlugin(), ...dcgmExporter()]))
    expect(pod).toMatchObject({ runtimeClassName: 'nvidia', nodeSelector: { 'nvidia.com/gpu.present': 'true' } });
});

test('Ceph takes the disks that were named, and no others', () => {
  const [cluster] = rookCluster([
    { name: 's1', devices: ['/dev/disk/by-id/a', '/dev/disk/by-id/b'] },
    { name: 's2', devices: ['/dev/disk/by-id/c'] },
  ]);
  expect((cluster!.spec as { storage: object }).storage).toEqual({
    useAllNodes: false,
    useAllDevices: false,
    nodes: [
      { name: 's1', devices: [{ name: '/dev/disk/by-id/a' }, { name: '/dev/disk/by-id/b' }] },
      { name: 's2', devices: [{ name: '/dev/disk/by-id/c' }] },
    ],
  });
});
