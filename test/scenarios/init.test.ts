import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { journalFile } from '../../src/plan/journal.js';
import type { FakeWorld } from '../world/fake.js';
import { machine, type } from '../world/machine.js';

const init = 'init --model demo --yes --no-smoke';
const home = '/home/u/state';

const steps = (world: FakeWorld): string[] => world.shown.filter((line) => /^[✔–✗] /.test(line));
const keyOf = (world: FakeWorld): string => world.shown.join('\n').match(/sk-[\w-]{43}/)![0];

async function journal(world: FakeWorld): Promise<{ event: string; action?: string }[]> {
  const text = (await world.files.readIfAny(journalFile(home))) ?? '';
  return text
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

it('has the gateway ask over gRPC where that is wanted, and back, with the smallest change', async () => {
  const world = machine();
  await world.files.makeDir('/work');
  const read = async (name: string) => JSON.parse(await world.files.read(`${home}/${name}`));
  const asked = async (protocol: string) => {
    await world.files.write('/work/d.yaml', `version: 1\nmodel: {id: demo}\nengine: {protocol: ${protocol}}\n`);
    expect(await type(world, 'init --config d.yaml --yes --no-smoke')).toBe(0);
    const [version] = (await read('gateway/settings.json')).models[0].versions;
    return { engine: await read('engine/engine.json'), version };
  };
  const before = await asked('http');
  expect([before.engine.grpcPort, before.version.protocol]).toEqual([undefined, undefined]);
  const grpc = await asked('grpc');
  const { grpcPort } = grpc.engine;
  expect(grpc.engine).toEqual({ ...before.engine, grpcPort: expect.any(Number) });
  expect(grpc.version).toEqual({ ...before.version, protocol: 'grpc', peers: [{ host: '127.0.0.1', port: grpcPort }] });
  expect(grpcPort).not.toBe(grpc.engine.port);
  expect(await asked('http')).toEqual(before);
});

describe('init on a bare machine', () => {
  it('brings everything up and says what to do with it', async () => {
    const world = machine();
    expect(await type(world, init)).toBe(0);
    expect(steps(world)).toEqual([
      '✔ Note what shall be here',
      '✔ nginx with its Lua module',
      '✔ The embedded engine, llama.cpp',
      '✔ The model',
      '✔ Keys and secrets',
      '✔ Gateway configuration',
      '✔ Engine and gateway running',
    ]);
    const text = world.shown.join('\n');
    expect(text).toContain('http://127.0.0.1:8080/v1');
    expect(text).toContain(`curl http://127.0.0.1:8080/v1/chat/completions`);
    expect(text).toContain(`-H 'Authorization: Bearer ${keyOf(world)}'`);
    expect(world.errors).toEqual([]);
  });

  it('changes nothing the second time, and says so', async () => {
    const world = machine();
    await type(world, init);
    const before = new Map(world.disk);
    world.shown.length = 0;
    expect(await type(world, init)).toBe(0);
    expect(world.shown[0]).toBe('Nothing to change.');
    expect(world.shown.join('\n')).not.toMatch(/sk-/);
    expect(new Map(world.disk)).toEqual(before);
  });

  it('needs no flags again: what was asked for is remembered', async () => {
    const world = machine();
    await type(world, `${init} --port 9000`);
    world.shown.length = 0;
    expect(await type(world, 'init --yes')).toBe(0);
    expect(world.shown[0]).toBe('Nothing to change.');
    expect(world.shown.join('\n')).toContain('http://127.0.0.1:9000/v1');
  });

  it('moves to another port when asked to', async () => {
    const world = machine();
    await type(world, init);
    expect(await type(world, `${init} --port 9000`)).toBe(0);
    expect(await world.files.read(`${home}/gateway/nginx.conf`)).toContain('listen 127.0.0.1:9000');
    // The running gateway takes it up with its streams going on: it is told to read again, not replaced.
    expect(steps(world).slice(-2)).toEqual(['✔ Gateway configuration', '– Engine and gateway running']);
    expect(world.ran.filter((line) => line.includes('kill -HUP'))).toHaveLength(1);
    expect(world.shown.join('\n')).toContain('http://127.0.0.1:9000/v1');
  });

  it('prints one JSON document', async () => {
    const world = machine();
    expect(await type(world, `${init} --json`)).toBe(0);
    const answer = JSON.parse(world.out.join(''));
    expect(answer).toMatchObject({
      name: 'default',
      target: 'local',
      state: 'ready',
      endpoint: 'http://127.0.0.1:8080/v1',
      model: 'demo',
      apiKey: expect.stringMatching(/^sk-[\w-]{43}$/),
    });
    world.out.length = 0;
    await type(world, `${init} --json`);
    expect(JSON.parse(world.out.join(''))).not.toHaveProperty('apiKey');
  });
});

it('replaces a lost key of its own, and keeps the keys that people hold', async () => {
  const world = machine();
  await type(world, init);
  const keys = async () =>
    JSON.parse(await world.files.read(`${home}/gateway/settings.json`)).keys as { name: string }[];
  const before = await keys();
  await world.files.remove(`${home}/gateway/cli-key`);
  await world.files.remove(`${home}/engine/key`);
  expect(await type(world, init)).toBe(0);
  expect((await keys()).slice(0, before.length)).toEqual(before);
  const { engineKey } = JSON.parse(await world.files.read(`${home}/gateway/secrets.json`));
  expect(await world.files.read(`${home}/engine/key`)).toBe(engineKey);
  expect(await world.files.read(`${home}/gateway/cli-key`)).toMatch(/^sk-/);
});

it('the secret of the audit log is made once: what stands in the log stays readable', async () => {
  const world = machine();
  await type(world, init);
  const path = `${home}/gateway/secrets.json`;
  const read = async () => JSON.parse(await world.files.read(path)) as Record<string, string>;
  const { auditSecret } = await read();
  expect(auditSecret).toMatch(/^[\w-]{43}$/);
  await world.files.remove(`${home}/gateway/settings.json`);
  expect(await type(world, init)).toBe(0);
  expect((await read()).auditSecret).toBe(auditSecret);

  // A home of a version that had none.
  const { auditSecret: _, ...older } = await read();
  await world.files.write(path, JSON.stringify(older));
  expect(await type(world, init)).toBe(0);
  expect(await read()).toEqual({ ...older, auditSecret: expect.stringMatching(/^[\w-]{43}$/) });
});

describe('init --dry-run', () => {
  it('touches nothing, and prints the very actions that run afterwards', async () => {
    const world = machine({ nginx: true });
    const before = new Map(world.disk);
    expect(await type(world, `${init} --dry-run`)).toBe(0);
    expect(new Map(world.disk)).toEqual(before);
    const planned = world.shown.filter((line) => line.startsWith('    ')).map((line) => line.trim());
    await type(world, init);
    const done = (await journal(world)).filter(({ event }) => event === 'action').map(({ action }) => action!);
    // Ports and hashes inside the files differ in length only; their paths and modes are what counts.
    const shape = (line: string): string => line.replace(/\d+ bytes/, 'n bytes');
    expect(done.map(shape)).toEqual(planned.map(shape));
  });

  it('says what cannot be told yet', async () => {
    const world = machine();
    await type(world, `${init} --dry-run`);
    expect(world.shown.join('\n')).toContain('known after nginx.install');
  });
});

describe('a kill', () => {
  /** Dies before the k-th change of the disk or start of a process. */
  function mortal(k: number): { world: FakeWorld; heal(): void } {
    const world = machine();
    let left = k;
    const files = { ...world.files };
    const guarded = ['write', 'makeDir', 'rename', 'remove', 'chmod'] as const;
    const die = (): void => {
      left -= 1;
      if (left < 0) throw new Error('killed');
    };
    for (const name of guarded) {
      (world.files as unknown as Record<string, unknown>)[name] = async (...args: unknown[]) => {
        die();
        return (files[name] as (...all: unknown[]) => Promise<unknown>)(...args);
      };
    }
    return { world, heal: () => void Object.assign(world.files, files) };
  }

  it('at any point is mended by the next init, which ends in the same state', async () => {
    const undisturbed = machine();
    await type(undisturbed, init);
    // A dead one's lock is taken over by whoever changes something next.
    const passing = /(journal\.ndjson|state\/lock)$/;
    const paths = (world: FakeWorld) => [...world.disk.keys()].filter((path) => !passing.test(path)).sort();
    for (let k = 0; k < 75; k += 1) {
      const { world, heal } = mortal(k);
      await type(world, init);
      heal();
      // The dead one held the lock.
      world.alive.set(1, 'boot:another');
      world.shown.length = 0;
      expect(await type(world, init), `killed at ${k}`).toBe(0);
      expect(paths(world), `killed at ${k}`).toEqual(paths(undisturbed));
      if (world.shown[0] !== 'Nothing to change.') expect(keyOf(world)).toMatch(/^sk-/);
    }
  }, 180_000);
});

describe('a machine that is not ready', () => {
  it('is told all that is missing, before anything is touched', async () => {
    const world = machine({ uid: 1000, sudo: false, commands: [] });
    const before = [...world.disk.keys()];
    expect(await type(world, init)).toBe(3);
    expect(world.errors.join('\n')).toContain(
      'Type: sudo apt-get install -y --no-install-recommends nginx libnginx-mod-http-lua lua-cjson',
    );
    expect([...world.disk.keys()]).toEqual(before);
  });

  it('where no trusted package has it, is told where to find nginx with Lua', async () => {
    const world = machine({ apt: false });
    const before = [...world.disk.keys()];
    expect(await type(world, init)).toBe(3);
    expect(world.errors.join('\n')).toContain('OpenResty has both');
    expect([...world.disk.keys()]).toEqual(before);
  });

  it('keeps the port that was asked for, or says who is in the way', async () => {
    const world = machine({ takenPorts: new Set([8080]) });
    expect(await type(world, `${init} --port 8080`)).toBe(3);
    expect(world.errors.join('\n')).toMatch(/Port 8080 is in use.*\n.*--port/);
  });

  it('takes the next port when none was asked for', async () => {
    const world = machine({ takenPorts: new Set([8080]) });
    expect(await type(world, init)).toBe(0);
    expect(world.shown.join('\n')).toContain('http://127.0.0.1:8081/v1');
  });

  it('reports a failed step, and goes on from there', async () => {
    let broken = true;
    const npm = () => (broken ? { code: 1, stderr: 'npm error code ENOTFOUND' } : {});
    const world = machine({ npm });
    expect(await type(world, init)).toBe(6);
    expect(steps(world).at(-1)).toBe('✗ The embedded engine, llama.cpp');
    broken = false;
    expect(await type(world, init)).toBe(0);
    expect(steps(world)).toContain('– nginx with its Lua module');
  });

  it('lets one init at a time at it', async () => {
    const world = machine({ nginx: true });
    await world.files.makeDir(home);
    const holder = { pid: 500, identity: 'boot:500', since: '2026-11-24T00:00:00Z', what: 'init' };
    world.alive.set(500, 'boot:500');
    await world.files.write(`${home}/lock`, JSON.stringify(holder));
    expect(await type(world, init)).toBe(5);
    expect(world.errors.join('\n')).toContain('init, pid 500');
  });
});

describe('the guide', () => {
  it('asks for what was not said, then once whether to go on', async () => {
    const world = machine({ interactive: true, answers: { 'Which model': 'demo', Port: '9100', 'Go on': true } });
    expect(await type(world, 'init --no-smoke')).toBe(0);
    expect(world.shown.filter((line) => line.startsWith('? '))).toEqual([
      '? Which model?',
      '? Port of the API',
      '? Go on?',
    ]);
    expect(world.shown.join('\n')).toContain('http://127.0.0.1:9100/v1');
  });

  it('touches nothing after a no', async () => {
    const world = machine({ interactive: true, answers: { 'Which model': 'demo', 'Go on': false } });
    const before = [...world.disk.keys()];
    expect(await type(world, 'init')).toBe(130);
    expect([...world.disk.keys()]).toEqual(before);
  });
});

it('speaks Chinese', async () => {
  const world = machine({ lang: 'zh' });
  expect(await type(world, init)).toBe(0);
  expect(steps(world)[1]).toBe('✔ 带 Lua 模块的 nginx');
  expect(world.shown.join('\n')).toContain('密钥只显示这一次');
});

it('names GPUs that it leaves idle', async () => {
  const stdout = readFileSync(join(import.meta.dirname, '../recordings/q-x-h200-x2.xml'), 'utf8');
  const world = machine({ commands: [['nvidia-smi -q -x', { stdout }]] });
  expect(await type(world, init)).toBe(0);
  expect(world.shown.find((line) => line.includes('GPU'))).toContain('2 × NVIDIA H200, not used');
});
