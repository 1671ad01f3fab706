/** A home whose gateway is a real one: what `keys` and `clients` change, and how they are typed. */
import { secretsAsFile, settingsAsFile } from '../../src/gateway/files.js';
import { limitOptions } from '../../src/gateway/limits.js';
import type { Peer } from '../../src/gateway/settings.js';
import { systemHttp } from '../../src/hosts/http.js';
import { deploymentFile } from '../../src/targets/deployment.js';
import type { Value, Verb } from '../../src/verb.js';
import { secrets, testSettings } from '../gateway/harness.js';
import { type FakeOptions, type FakeWorld, fakeWorld } from '../world/fake.js';

export async function gatewayHome(adminPort: number, peer: Peer, options: FakeOptions = {}): Promise<FakeWorld> {
  const random = (n: number) => crypto.getRandomValues(new Uint8Array(n));
  const world = { ...fakeWorld({ http: systemHttp, ...options }), random };
  const { home } = world.places;
  const folder = `${home}/gateway`;
  await world.files.makeDir(folder);
  const deployment = { name: 'd', gateway: { host: '127.0.0.1', port: 1, adminPort } };
  await world.files.write(deploymentFile(home), JSON.stringify(deployment));
  const settings = testSettings([peer], { revision: Date.now(), limits: limitOptions() });
  for (const { path, content, mode } of [settingsAsFile(folder, settings), secretsAsFile(folder, secrets)])
    await world.files.write(path, content, mode);
  return world;
}

/** A verb of `verb` with its arguments, as in 'create ci', with --json: what it answers. */
export async function answerOf<T>(
  verb: Verb,
  world: FakeWorld,
  words: string,
  options: Record<string, Value> = {},
): Promise<T> {
  const [name, ...args] = words.split(' ');
  const before = world.out.length;
  const { verb: one } = verb.verbs!.find((sub) => sub.name === name)!;
  await one.run!({ args, options, json: true, yes: true, verbose: false }, world);
  return JSON.parse(world.out.slice(before).join('')) as T;
}
