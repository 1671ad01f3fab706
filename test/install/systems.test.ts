import { describe, expect, it, test } from 'vitest';
import { UserError } from '../../src/errors.js';
import { distributionIn, distributionOf } from '../../src/install/distribution.js';
import { driverPackages, flavourOf, toolkitPackages } from '../../src/install/nvidia.js';
import { install } from '../../src/install/packages.js';
import { versions } from '../../src/install/pins.js';
import { packagesFor, programs } from '../../src/install/programs.js';
import { fetchKey, keyFile, setAside, sourceFile, sourceText } from '../../src/install/repositories.js';
import { type RepositoryName, repositoryOf, type Sources, sourcesOf } from '../../src/install/sources.js';
import { systems } from './systems.js';

const hopper = { pci: [{ busId: '0000:18:00.0', id: '2330', kind: 'gpu' }] } as const;
const volta = { pci: [{ busId: '0000:18:00.0', id: '1DB6', kind: 'gpu' }] } as const;

describe.each(systems)('%s', (name, facts, distribution) => {
  it('is known', () => {
    expect(distributionOf('host', facts)).toEqual(distribution);
  });

  /** Everything that is said to this system's package manager. */
  const spoken = (sources: Sources): string => {
    const repositories = (['docker', 'kubernetes', 'toolkit', 'driver'] as const satisfies RepositoryName[]).flatMap(
      (one) => {
        if (one === 'driver' && (distribution.id === 'ubuntu' || name === 'rhel-10')) return [];
        return [repositoryOf(one, sources, distribution, '1.36.4')];
      },
    );
    const from = (one: RepositoryName) => repositoryOf(one, sources, distribution, '1.36.4');
    const words = ({ argv }: { argv: readonly string[] }) => argv.slice(5).join(' | ');
    const driver = driverPackages(distribution, hopper, facts.kernel!.release);
    return [
      ...repositories.flatMap((one) => [
        `# ${sourceFile(one, distribution)}`,
        sourceText(one, distribution),
        `key: ${fetchKey(one, distribution).argv.slice(4).join(' ')}`,
        `set aside: ${setAside(one, distribution).argv.slice(4).join(' ')}`,
        '',
      ]),
      `programs: ${packagesFor(
        programs.map((program) => program.name),
        distribution,
      ).join(' ')}`,
      `containerd: ${words(install(distribution, [{ name: 'containerd.io', version: versions.containerd }], { from: from('docker') }))}`,
      `docker: ${words(install(distribution, [{ name: 'docker-ce', version: versions.docker, epoch: '5' }], { from: from('docker') }))}`,
      `kubelet: ${words(install(distribution, [{ name: 'kubelet', version: '1.36.4' }], { from: from('kubernetes') }))}`,
      `toolkit: ${words(install(distribution, toolkitPackages, { from: from('toolkit') }))}`,
      ...driver.before.map((script) => `driver, before: ${script}`),
      `driver: ${driver.packages.map((one) => one.name).join(' ')}`,
      `driver of Volta: ${driverPackages(distribution, volta, facts.kernel!.release)
        .packages.map((one) => one.name)
        .join(' ')}`,
      '',
    ].join('\n');
  };

  it('is spoken to in its dialect', async () => {
    await expect(spoken(sourcesOf('none'))).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  it('has the mirrors of China', async () => {
    await expect(spoken(sourcesOf('cn'))).toMatchFileSnapshot(`golden/${name}.cn.txt`);
  });

  it('takes all from a bundle where there is one', () => {
    const sources = { ...sourcesOf('none'), bundle: '/var/lib/deepseek-deploy/bundle' };
    const one = repositoryOf('kubernetes', sources, distribution, '1.36.4');
    expect(one.key).toBeUndefined();
    expect(sourceText(one, distribution)).toContain('file:///var/lib/deepseek-deploy/bundle/packages');
    expect(sourceText(one, distribution)).not.toContain('http');
    expect(keyFile(one, distribution)).toContain('bundle');
  });
});

test.each([
  [{ os: { id: 'alpine', version: '3.22' }, kernel: { name: 'Linux', release: '6', arch: 'x86_64' } }],
  [{ os: { id: 'debian', version: '11' }, kernel: { name: 'Linux', release: '5.10', arch: 'x86_64' } }],
  [{ os: { id: 'rocky', version: '8.10' }, kernel: { name: 'Linux', release: '4.18', arch: 'x86_64' } }],
  [{ os: { id: 'debian', version: '12' }, kernel: { name: 'Linux', release: '6.1', arch: 'riscv64' } }],
  [{}],
])('%j is refused', (facts) => {
  expect(distributionIn(facts)).toBeUndefined();
  expect(() => distributionOf('gpu-1', facts)).toThrow(UserError);
});

test('the key of a repository that nobody confirmed is not trusted, unless it is said to be', () => {
  const rhel10 = systems.at(-1)![2];
  const sources = sourcesOf('none');
  expect(() => repositoryOf('driver', sources, rhel10, '1.36.4')).toThrow('No fingerprint is known');
  const key = 'B'.repeat(40);
  expect(repositoryOf('driver', { ...sources, keys: { driver: key } }, rhel10, '1.36.4').key?.fingerprint).toBe(key);
});

test('the oldest card decides: a driver without its modules would leave it dark', () => {
  expect(flavourOf(hopper)).toBe('open');
  expect(flavourOf(volta)).toBe('closed');
  expect(flavourOf({ pci: [...hopper.pci, ...volta.pci] })).toBe('closed');
  expect(flavourOf({ pci: [{ ...volta.pci[0], id: '1AF1', kind: 'switch' }] })).toBe('open');
});
