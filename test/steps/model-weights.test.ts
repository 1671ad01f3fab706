/** Weights on a host's disk: its own scripts, on a real folder in place of the host's. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localFiles } from '../../src/hosts/files.js';
import { localHost } from '../../src/hosts/local.js';
import { perform } from '../../src/plan/perform.js';
import type { Action } from '../../src/plan/step.js';
import type { Machine } from '../../src/steps/machine.js';
import { modelsFolder, modelWeights } from '../../src/steps/model-weights.js';
import type { World } from '../../src/world.js';
import { sha256 } from '../models/hub-server.js';
import { fakeWorld } from '../world/fake.js';

const contents: Readonly<Record<string, Buffer>> = {
  'config.json': Buffer.from('{}'),
  'a+b/model-1.safetensors': Buffer.alloc(200_000, 'one'),
  'model-2.safetensors': Buffer.alloc(100_000, 'two'),
};

let folder: string;
let world: World;
let machine: Machine;
let ran: string[];

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/dd-weights-`);
  mkdirSync(`${folder}/host`);
  ran = [];
  for (const [path, content] of Object.entries(contents)) {
    const at = `${folder}/b.weights/m/${path}`;
    mkdirSync(at.slice(0, at.lastIndexOf('/')), { recursive: true });
    writeFileSync(at, content);
  }
  const there = (path: string): string => path.replace(modelsFolder, `${folder}/host/models`);
  const files = {
    ...localFiles,
    makeDir: (path: string, mode?: number) => localFiles.makeDir(there(path), mode),
    free: async () => 20e9,
  };
  const host: World['host'] = {
    ...localHost,
    run: ({ sudo: _, ...command }, options) => {
      const [program, ...words] = command.argv;
      return localHost.run({ ...command, argv: [program, ...words.map(there)] }, options);
    },
    put: (path, content, options) => {
      ran.push(path);
      return localHost.put(there(path), content, { mode: options?.mode ?? 0o600 });
    },
  };
  world = { ...fakeWorld(), files, host };
  const list = Object.entries(contents).map(([path, content]) => ({
    ...{ path, bytes: content.length, sha256: sha256(content) },
  }));
  const weights = [{ id: 'm', form: 'safetensors', from: '', files: list }];
  const bundle = { path: `${folder}/b`, manifest: { weights } };
  machine = {
    name: 'gpu-1',
    cluster: { bundle, sources: { bundle: '/x' }, here: { ...world, files: localFiles } },
  } as never;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const host = (path: string): string => `${folder}/host/models/m/${path}`;
const done = (): Promise<boolean> => modelWeights.done(machine, world);
const apply = (): Promise<readonly Action[]> => modelWeights.apply(machine, world);
async function carryOut(actions: readonly Action[]): Promise<void> {
  for (const action of actions) await perform(action, world, () => {});
}
const sent = (): string[] => ran.map((path) => path.replace(`${modelsFolder}/m/`, ''));

describe('weights on a host', () => {
  it('come to lie there, each whole; then nothing is to do, and nothing is read again', async () => {
    expect(await done()).toBe(false);
    await carryOut(await apply());
    for (const [path, content] of Object.entries(contents)) expect(readFileSync(host(path)).equals(content)).toBe(true);
    expect(await done()).toBe(true);
    expect(await apply()).toEqual([]);
    // What is recorded goes by size and time alone: nobody reads hundreds of gigabytes to find nothing to do.
    const record = `${folder}/host/models/.sha256`;
    expect(readFileSync(record, 'utf8').trim().split('\n')).toHaveLength(3);
  });

  it('after a run that was cut off only the rest is sent', async () => {
    const actions = await apply();
    await carryOut(actions.slice(0, 3));
    ran = [];
    // The second file came whole, but nobody had the time to write that down.
    const rest = await apply();
    await carryOut(rest);
    expect(sent()).toEqual(['model-2.safetensors']);
    expect(await done()).toBe(true);
  });

  it('a file that somebody else brought is looked at, and not sent', async () => {
    mkdirSync(`${folder}/host/models/m/a+b`, { recursive: true });
    writeFileSync(host('a+b/model-1.safetensors'), contents['a+b/model-1.safetensors']!);
    writeFileSync(host('model-2.safetensors'), Buffer.alloc(100_000, 'six'));
    expect(await done()).toBe(false);
    await carryOut(await apply());
    expect(sent()).toEqual(['config.json', 'model-2.safetensors']);
    expect(await done()).toBe(true);
  });

  it('one that was changed since is sent anew, and its record is one line', async () => {
    await carryOut(await apply());
    ran = [];
    appendFileSync(host('model-2.safetensors'), 'x');
    utimesSync(host('a+b/model-1.safetensors'), 1, 1);
    expect(await done()).toBe(false);
    await carryOut(await apply());
    expect(sent()).toEqual(['model-2.safetensors']);
    expect(readFileSync(`${folder}/host/models/.sha256`, 'utf8').trim().split('\n')).toHaveLength(3);
    expect(await done()).toBe(true);
  });

  it('a disk without room is told before anything is sent; what is there needs none', async () => {
    const full = { ...world, files: { ...world.files, free: async () => 10e9 + 200_000 } };
    await expect(modelWeights.apply(machine, full)).rejects.toMatchObject({ id: 'model.weights', exit: 'unready' });
    expect(existsSync(`${folder}/host/models`)).toBe(false);
    await carryOut((await apply()).slice(0, 4));
    expect(await modelWeights.apply(machine, full)).toHaveLength(2);
  });

  it('is nobody’s step where the bundle has none, and of hosts with GPUs alone', () => {
    expect(modelWeights.needed!(machine)).toBe(true);
    expect(modelWeights.on).toBe('gpu');
    const none = { ...machine.cluster.bundle!, manifest: { weights: [] } } as never;
    expect(modelWeights.needed!({ ...machine, cluster: { ...machine.cluster, bundle: none } })).toBe(false);
    expect(modelWeights.needed!({ ...machine, cluster: { ...machine.cluster, sources: {} as never } })).toBe(false);
  });
});
