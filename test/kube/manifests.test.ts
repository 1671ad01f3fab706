/** A real API server takes what we write, strictly, and says afterwards that nothing would change. */
import { execFileSync, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calicoSettings } from '../../src/manifests/calico.js';
import { flannel } from '../../src/manifests/flannel.js';
import { dcgmExporter, devicePlugin } from '../../src/manifests/gpu.js';
import { gpuOperator } from '../../src/manifests/gpu-operator.js';
import { localPath } from '../../src/manifests/local-path.js';
import { documentsOf, type KubeObject } from '../../src/manifests/object.js';
import { builtPrograms, type ControlPlane, controlPlane, etcdPath } from './control-plane.js';

const programs = builtPrograms();
const lists: readonly (readonly [string, readonly KubeObject[]])[] = [
  ['flannel', flannel({ podSubnet: '10.244.0.0/16', nftables: false })],
  ['what calico is told', calicoSettings()],
  ['the device plugin', devicePlugin()],
  ['the DCGM exporter', dcgmExporter()],
  ['the GPU operator', gpuOperator()],
  ['local-path', localPath()],
];

describe.skipIf(!programs || !etcdPath)('a real API server', () => {
  let plane: ControlPlane;
  const manager = '--field-manager=deepseek-deploy';

  beforeAll(async () => {
    plane = await controlPlane(programs!);
  });
  afterAll(() => plane?.close());

  const diff = (objects: readonly KubeObject[]): number | null =>
    spawnSync(`${programs}/kubectl`, ['--kubeconfig', plane.kubeconfig, 'diff', '--server-side', manager, '-f', '-'], {
      input: documentsOf(objects),
    }).status;

  it.each(lists)('takes %s', (_, objects) => {
    expect(diff(objects)).not.toBe(0);
    const words = ['apply', '--server-side', '--validate=strict', manager, '-f', '-'];
    execFileSync(`${programs}/kubectl`, ['--kubeconfig', plane.kubeconfig, ...words], { input: documentsOf(objects) });
    expect(diff(objects)).toBe(0);
  });
});
