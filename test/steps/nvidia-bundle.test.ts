/** The driver from a bundle: no repository is asked but the bundle's, and a kernel that it is not for is told first. */
import { expect, test } from 'vitest';
import { format, type Manifest, systemId } from '../../src/bundle/manifest.js';
import type { Bundle } from '../../src/bundle/open.js';
import { driverPackages } from '../../src/install/nvidia.js';
import { fromBundle, sourcesOf } from '../../src/install/sources.js';
import { show } from '../../src/plan/step.js';
import { nvidiaDriver } from '../../src/steps/nvidia-driver.js';
import { systems } from '../install/systems.js';
import { simulatedCluster } from '../world/nodes.js';

const peers = [
  { name: 'cp', roles: ['control-plane'] },
  { name: 'gpu-1', roles: ['worker'] },
] as const;

async function on([, system, distribution]: (typeof systems)[number], kernel: string) {
  const { first, packages } = driverPackages(distribution, {}, kernel);
  const has = [...first, ...packages].map(({ name }) => ({ name, version: '1.0' }));
  const manifest: Manifest = {
    kind: 'deepseek-deploy bundle',
    ...{ format, createdAt: '', target: 'kubernetes', images: [], weights: [], files: [] },
    systems: [{ id: systemId(distribution), packages: has }],
  };
  const bundle = { path: '/bundle', key: '', manifest } as unknown as Bundle;
  const sources = fromBundle(sourcesOf('none'));
  const made = await simulatedCluster({
    system,
    peers,
    sources,
    bundle,
    gpus: ['gpu-1'],
    settings: { driver: 'install' },
  });
  return nvidiaDriver.apply(made.machines[1]!, made.worlds[1]!);
}

const apt = systems.filter(([, , { family }]) => family === 'apt');

test.each(apt)('%s: every call of apt is the bundle’s', async (...one) => {
  const lines = (await on(one, one[1].kernel!.release!)).map(show).filter((line) => /apt-get/.test(line));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines.filter((text) => / install /.test(text)))
    expect(line).toContain('SourceList=/etc/apt/sources.list.d/deepseek-deploy-bundle.sources');
});

test.each(apt)('%s: another kernel than the bundle is for', async (...one) => {
  await expect(on(one, '5.0.0-1')).rejects.toMatchObject({
    id: 'bundle.lacks',
    exit: 'unready',
    details: [{ en: expect.stringContaining(one[1].kernel!.release!) }],
  });
});
