/** The actions of an install by the least that can do them: plain `ssh HOST COMMAND`, and nothing in between. */
import { spawn } from 'node:child_process';
import { type Command, isSupply, quote, type Supply } from '../../src/command.js';
import type { Gathered } from '../../src/fleet/gather.js';
import { worldOf } from '../../src/fleet/open.js';
import { lanesOf } from '../../src/fleet/work.js';
import { remoteFiles } from '../../src/hosts/remote-files.js';
import { barriers } from '../../src/plan/barriers.js';
import { perform } from '../../src/plan/perform.js';
import { show } from '../../src/plan/step.js';
import type { Cluster } from '../../src/steps/machine.js';
import { kubernetesSteps } from '../../src/targets/kubernetes.js';
import type { Host, Result, World } from '../../src/world.js';

const resolved = async (value: string | Supply): Promise<string> => (isSupply(value) ? value.get() : value);

/** The words that a shell over there reads. The user is root. */
async function lineOf({ argv, env = {} }: Command): Promise<string> {
  const pairs = Object.entries(env).map(async ([name, value]) => `${name}=${quote(await resolved(value))}`);
  return [...(await Promise.all(pairs)), ...argv.map(quote)].join(' ');
}

function ssh(words: readonly string[], stdin: string | Uint8Array | undefined): Promise<Result> {
  const child = spawn('ssh', words, { stdio: 'pipe' });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(stdin ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 255, ...said }));
  });
}

/** @param words of ssh, up to and with the address */
function bareHost(name: string, words: readonly string[]): Host {
  const run: Host['run'] = async (command) => {
    const stdin = command.stdin === undefined ? undefined : await resolved(command.stdin);
    return ssh([...words, await lineOf(command)], stdin);
  };
  const refused = (): never => {
    throw new Error('an install does not ask for that');
  };
  return {
    name,
    run,
    start: refused,
    async put(path, content, { mode = 0o600 } = {}) {
      const at = quote(path);
      const line = `cat >${at} && chmod ${mode.toString(8)} ${at}`;
      const { code, stderr } = await ssh([...words, line], content as string | Uint8Array);
      if (code !== 0) throw new Error(`${name}: ${path}: ${stderr}`);
    },
    async read(path) {
      const { code, stdout } = await ssh([...words, `cat ${quote(path)} 2>/dev/null`], undefined);
      return code === 0 ? stdout : undefined;
    },
  };
}

/** By host: what was done there, as a journal tells it. */
export type Did = ReadonlyMap<string, readonly string[]>;

/**
 * Until the last host is done.
 * @param words of ssh by host, up to and with the address
 * @param wanted the ids of the steps by host
 */
export async function bareInstall(
  gathered: Gathered,
  words: (name: string) => readonly string[],
  wanted: ReadonlyMap<string, ReadonlySet<string>>,
  here: World,
): Promise<Did> {
  const worlds = new Map(
    gathered.fleet.hosts.map((open): [string, World] => {
      const host = bareHost(open.name, words(open.name));
      return [open.name, { ...worldOf(open.host, here), host, files: remoteFiles(host) }];
    }),
  );
  const first = gathered.fleet.hosts.find(({ roles }) => roles.includes('control-plane'))!;
  const cluster: Cluster = { ...gathered.cluster, controlPlane: () => worlds.get(first.name)! };
  const lanes = lanesOf(kubernetesSteps, gathered, here, '').map(({ name, steps, context }) => ({
    ...{ name, world: worlds.get(name)!, machine: { ...context, cluster } },
    steps: steps.filter(({ id }) => wanted.get(name)?.has(id)),
  }));
  const waits = barriers(lanes.map(({ name, steps }) => ({ name, ids: steps.map(({ id }) => id) })));
  const did = new Map<string, string[]>();
  const all = lanes.map(async ({ name, steps, world, machine }) => {
    const lines: string[] = [];
    did.set(name, lines);
    for (const step of steps) {
      await waits.wait(step.after ?? []);
      for (const action of await step.apply(machine, world)) {
        await perform(action, world, () => {});
        lines.push(show(action));
      }
      waits.done(name, step.id);
    }
  });
  await Promise.all(all);
  return did;
}
