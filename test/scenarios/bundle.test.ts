/** `init --bundle`, as it is typed: what stands against a bundle is said before any host is touched. */
import { describe, expect, it, vi } from 'vitest';
import { format, type Manifest } from '../../src/bundle/manifest.js';
import { writeBundle } from '../../src/bundle/write.js';
import { sha256 } from '../models/hub-server.js';
import { hostsLine, type Simulation, type SimulationOptions, simulation } from '../world/cluster.js';
import { fakeWorld } from '../world/fake.js';

vi.mock('../../src/targets/kubernetes.js', async () => ({
  kubernetesSteps: (await import('../world/cluster.js')).simpleSteps,
}));

const init = `init --target kubernetes --yes ${hostsLine(['cp', 'a', 'b'])}`;

interface Made extends Simulation {
  readonly key: string;
}

/** @param more what the bundle says otherwise */
async function withBundle(more: Partial<Manifest> = {}, options: SimulationOptions = {}): Promise<Made> {
  const one = simulation(options);
  const maker = fakeWorld();
  const packages = [{ name: 'cluster-program', version: '2.7' }];
  const manifest: Manifest = {
    kind: 'deepseek-deploy bundle',
    format,
    createdAt: '',
    target: 'kubernetes',
    kubernetes: '1.36.4',
    weights: [],
    systems: [{ id: 'debian12-amd64', packages }],
    images: [],
    files: [{ path: 'a', bytes: 3, sha256: sha256(Buffer.from('abc')) }],
    ...more,
  };
  maker.folders.set('/work', 0o755);
  const { key } = await writeBundle('/work/b', manifest, new Map([['a', { text: 'abc' }]]), maker, () => {});
  one.world.disk.set('/work/b', maker.disk.get('/work/b')!);
  return { ...one, key };
}

/** A refusal that left no trace on any host. */
async function refused(one: Made, line: string, exit: number): Promise<string> {
  const before = Object.values(one.hosts).map(({ disk }) => [...disk.keys()]);
  expect(await one.type(line), one.text()).toBe(exit);
  expect(Object.values(one.hosts).map(({ disk }) => [...disk.keys()])).toEqual(before);
  return one.text();
}

describe('from a bundle', () => {
  it('says whose it is; the next init and its plan know it without being told', async () => {
    const one = await withBundle();
    expect(await one.type(`${init} --bundle b --bundle-key ${one.key}`), one.text()).toBe(0);
    expect(one.text()).toContain(`Bundle /work/b, signed by ${one.key} (the key that is named).`);
    expect(await one.type('init --yes')).toBe(0);
    expect(one.text()).toContain('Nothing to change.');
    expect(await one.type('plan')).toBe(0);
    one.world.disk.delete('/work/b');
    expect(await one.type('init --yes')).toBe(2);
    expect(one.text()).toContain('There is no bundle /work/b.');
    // What undoes and what only looks needs none.
    expect(await one.type('status')).toBe(0);
    expect(await one.type('reset --cluster default --yes'), one.text()).toBe(0);
  });

  it('is asked about when nobody has trusted its maker yet', async () => {
    const one = await withBundle({}, { interactive: true, answers: { 'Trust this key': true } });
    expect(await one.type(`${init} --bundle b`), one.text()).toBe(0);
    expect(one.text()).toContain('(trusted now)');
  });
});

describe('is refused, and no host is touched', () => {
  it('of somebody unknown', async () => {
    const one = await withBundle();
    const text = await refused(one, `${init} --bundle b`, 3);
    expect(text).toContain(`--bundle-key ${one.key}`);
    expect(Object.values(one.hosts).flatMap(({ ran }) => ran)).toEqual([]);
  });

  it('changed on its way: nobody is even asked', async () => {
    const one = await withBundle();
    const content = Buffer.from(one.world.disk.get('/work/b')!.content);
    content[content.lastIndexOf('abc')] = 0x41;
    one.world.disk.set('/work/b', { content, mode: 0o600, mtimeMs: 0 });
    expect(await refused(one, `${init} --bundle b --bundle-key ${one.key}`, 6)).toContain('is damaged: a');
    expect(Object.values(one.hosts).flatMap(({ ran }) => ran)).toEqual([]);
  });

  it('of an older format', async () => {
    const one = await withBundle({ format: 0 });
    expect(await refused(one, `${init} --bundle b`, 2)).toContain('has format 0');
  });

  it('for another target', async () => {
    const one = await withBundle({ target: 'local' });
    const text = await refused(one, `${init} --bundle b --bundle-key ${one.key}`, 2);
    expect(text).toContain('was made for the target local, not kubernetes');
    expect(Object.values(one.hosts).flatMap(({ ran }) => ran)).toEqual([]);
  });

  it('whose weights were left behind', async () => {
    const files = [{ path: 'a.safetensors', bytes: 3, sha256: 'f'.repeat(64) }];
    const one = await withBundle({ weights: [{ id: 'm', form: 'safetensors', from: '', files }] });
    const text = await refused(one, `${init} --bundle b --bundle-key ${one.key}`, 6);
    expect(text).toContain('/work/b.weights/m/a.safetensors is not there');
    expect(Object.values(one.hosts).flatMap(({ ran }) => ran)).toEqual([]);
  });

  it('for another system: each host says which', async () => {
    const one = await withBundle({}, { os: { a: 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04"\n' } });
    const text = await refused(one, `${init} --bundle b --bundle-key ${one.key}`, 3);
    expect(text).toContain('a: packages of ubuntu24.04-amd64: it was made for debian12-amd64');
    expect(text).not.toContain('cp: packages');
  });

  it('without what a step needs, or with another version of it', async () => {
    const systems = [{ id: 'debian12-amd64', packages: [{ name: 'cluster-program', version: '1.9' }] }];
    const one = await withBundle({ systems });
    const text = await refused(one, `${init} --bundle b --bundle-key ${one.key}`, 3);
    for (const name of ['cp', 'a', 'b']) expect(text).toContain(`${name}: cluster-program 2.*`);
  });
});

describe('looked at alone', () => {
  const verify = async (one: Made, words = '') => {
    const exit = await one.type(`bundle verify b --json ${words}`.trim());
    return { exit, ...(JSON.parse(one.world.out.join('')) as Record<string, unknown>) };
  };
  const configured = async (more: Partial<Manifest> = {}): Promise<Made> => {
    const one = await withBundle(more);
    one.world.disk.set('/work/c.yaml', { content: Buffer.from('version: 1\n'), mode: 0o600, mtimeMs: 0 });
    return one;
  };

  it('whole, whose, and what is in it', async () => {
    const one = await withBundle();
    expect(await verify(one)).toMatchObject({
      ...{ exit: 0, whole: true, key: one.key, keyKnown: false, kubernetes: '1.36.4' },
      systems: [{ id: 'debian12-amd64', packages: 1 }],
    });
  });

  it('with the key that is asked for, and not with another', async () => {
    const one = await withBundle();
    expect(await verify(one, `--key ${one.key}`)).toMatchObject({ exit: 0, keyKnown: true });
    const other = await withBundle();
    expect(await verify(other, `--key ${'A'.repeat(43)}=`)).toMatchObject({ exit: 1, error: { id: 'bundle.key' } });
    const none = await withBundle();
    expect(await verify(none, '--key x')).toMatchObject({ exit: 2, error: { id: 'bundle.key-form' } });
  });

  it('whether it has all that a configuration needs', async () => {
    expect(await verify(await configured(), '-c c.yaml')).toMatchObject({ exit: 0, lacks: [] });
    const systems = [{ id: 'debian12-amd64', packages: [] }];
    const less = await verify(await configured({ systems }), '-c c.yaml');
    expect(less).toMatchObject({ exit: 1, lacks: ['cluster-program 2.*'] });
  });
});
