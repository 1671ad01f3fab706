/** A bundle for one machine, made with a network and installed without one: the real nginx and engine, a small model. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoModel } from '../../src/models/demo.js';
import { HubServer, serve, sha256 } from '../models/hub-server.js';
import { type Answer, type Stage, stage } from './stage.js';

let on: Stage;
let hub: HubServer;
let key: string;
const weights = demoModel();
const model = 'small-model';
const fileName = 'small-model-F32.gguf';

/** A model like those of the catalogue, but for its size. */
const entry = {
  ...{ id: model, title: 'Small', family: 'coder', parameters: { total: 0.001, active: 0.001 }, precision: 'F32' },
  ...{ weightGB: 0.01, vramGB: 0, fits: ['any machine'], context: 8192, licence: 'Apache-2.0' },
  ...{ huggingface: 'own/small', modelscope: 'own/small', engines: ['embedded'], thinks: false, kvBytesPerToken: 512 },
  gguf: [
    {
      ...{ quantisation: 'F32', file: fileName, bytes: weights.length, sha256: sha256(weights) },
      at: { huggingface: { repo: 'own/small-GGUF', revision: 'abc' } },
    },
  ],
};

/** A process whose only network is its own loopback. */
const alone = process.geteuid?.() === 0 ? ['unshare', '-n'] : ['unshare', '-rn'];
const canBeAlone = spawnSync(alone[0]!, [...alone.slice(1), 'ip', 'link', 'set', 'lo', 'up']).status === 0;
if (!canBeAlone)
  console.warn(`\n*** nothing was installed without a network: ${alone.join(' ')} is refused here ***\n`);

function offline(script: string): Promise<Answer> {
  const env = {
    ...on.env,
    DEEPSEEK_DEPLOY_HOME: join(on.folder, 'there/home'),
    XDG_CACHE_HOME: join(on.folder, 'there'),
  };
  const words = [...alone, 'sh', '-c', `ip link set lo up && cd there && ${script}`, on.bin];
  return new Promise((resolve) => {
    execFile(words[0]!, words.slice(1), { env, cwd: on.folder, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    );
  });
}

const init = '"$0" init --bundle small.bundle --yes --json';

beforeAll(async () => {
  on = stage();
  const catalogue = join(on.folder, 'node_modules/deepseek-deploy/dist/models/catalogue.js');
  const text = readFileSync(catalogue, 'utf8').replace('[demo,', `[demo, ${JSON.stringify(entry)},`);
  expect(text).toContain(fileName);
  writeFileSync(catalogue, text);
  hub = await HubServer.start();
  hub.answer = serve(weights, { cut: 1_000_000 });
  const made = await on.type(
    ...`bundle create --target local --model ${model} --hub ${hub.url} --out small.bundle --json`.split(' '),
  );
  expect(made.code, made.stderr).toBe(0);
  key = (JSON.parse(made.stdout) as { key: string }).key;
  await hub.close();
  mkdirSync(join(on.folder, 'there'));
  for (const name of ['small.bundle', 'small.bundle.weights'])
    renameSync(join(on.folder, name), join(on.folder, 'there', name));
}, 240_000);

afterAll(async () => {
  await on.remove();
}, 60_000);

describe('where there is a network', () => {
  it('the weights come to lie beside the bundle, once, also when the connection breaks', () => {
    expect(hub.asked.map(({ url }) => url)).toContain(`/own/small-GGUF/resolve/abc/${fileName}`);
    expect(hub.ranges().filter(Boolean).length).toBeGreaterThan(0);
    const folder = join(on.folder, 'there/small.bundle.weights', model);
    expect(sha256(readFileSync(join(folder, fileName)))).toBe(sha256(weights));
    expect(statSync(join(on.folder, 'there/small.bundle')).size).toBeLessThan(40e6);
    // Nothing of it lies in the cache as well.
    expect(readdirSync(join(on.folder, 'cache/deepseek-deploy'))).toEqual(['bundle']);
  });
});

describe.skipIf(!canBeAlone)('where there is none', () => {
  it('whoever signed it has to be known', async () => {
    const { code, stdout } = await offline(`${init} --model ${model}`);
    expect([code, JSON.parse(stdout).error.id]).toEqual([3, 'bundle.key']);
  });

  it('another model is refused, and nothing is touched', async () => {
    const { code, stdout } = await offline(`${init} --bundle-key ${key} --model deepseek-r1-distill-qwen-1.5b`);
    expect(code, stdout).toBe(3);
    expect(stdout).toContain(`it has ${model} (gguf)`);
    expect(existsSync(join(on.folder, 'there/home/journal.ndjson'))).toBe(false);
    expect(existsSync(join(on.folder, 'there/deepseek-deploy/runtime'))).toBe(false);
  });

  it('it is served, from nothing but the bundle; the second time nothing changes, and down leaves nothing', async () => {
    const script = `${init} --bundle-key ${key} --model ${model} >first && ${init} >second && "$0" down --purge --audit-log --yes >&2`;
    const { code, stderr } = await offline(script);
    const said = (name: string) => readFileSync(join(on.folder, 'there', name), 'utf8');
    expect(code, `${stderr}\n${said('first')}`).toBe(0);
    const first = JSON.parse(said('first')) as Record<string, unknown>;
    expect(first).toMatchObject({ state: 'ready', model, smoke: { passed: true } });
    expect(first.changed).toEqual(expect.arrayContaining(['engine.runtime', 'model.file', 'stack.up']));
    expect(JSON.parse(said('second'))).toMatchObject({ state: 'ready', changed: [] });
    expect(existsSync(join(on.folder, 'there/home'))).toBe(false);
    expect(readdirSync(join(on.folder, 'there')).sort()).toEqual([
      'first',
      'second',
      'small.bundle',
      'small.bundle.weights',
    ]);
  }, 120_000);

  it('weights that are damaged, or left behind, are told before anything is touched', async () => {
    const file = join(on.folder, 'there/small.bundle.weights', model, fileName);
    const ask = async () => {
      const { code, stdout } = await offline(`${init} --bundle-key ${key} --model ${model}`);
      return [code, JSON.parse(stdout).error.id];
    };
    const bytes = Buffer.from(weights);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(file, bytes);
    expect(await ask()).toEqual([6, 'bundle.hash']);
    truncateSync(file, 1000);
    expect(await ask()).toEqual([6, 'bundle.weights']);
    execFileSync('rm', ['-r', join(on.folder, 'there/small.bundle.weights')]);
    expect(await ask()).toEqual([6, 'bundle.weights']);
    expect(existsSync(join(on.folder, 'there/home/run'))).toBe(false);
  }, 60_000);
});
