/**
 * The real install on three hosts against the bare sequence of the same commands. `npm run bench:init -- real`.
 *
 * First `init`, typed, on three fresh test hosts, from its start to its end. Then, on three fresh ones again, the very
 * actions it did by the least that can do them: each host's in their order, the hosts beside one another, workers after
 * the control plane as they must; plain `ssh HOST COMMAND` over one open connection, files by `cat >FILE`. Nothing is
 * probed, planned, checked, locked, noted or shown there. It has what cannot be left out: what an action needs to know
 * of its host (which packages it lacks), the token that is made when a worker joins, and the waits for the API server,
 * the nodes, the network and CoreDNS, asked for at the same intervals. That both did the same is checked line by line.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { settingsOf } from '../../src/config/settings.js';
import { gather, withFleet } from '../../src/fleet/gather.js';
import { realWorld } from '../../src/hosts/world.js';
import type { Entry } from '../../src/plan/journal.js';
import { table } from '../../src/table.js';
import { clusterFile } from '../hosts/cluster-file.js';
import { keptKernel, type Machines, machines, processorMs } from '../hosts/machines.js';
import { mirror } from '../hosts/mirror.js';
import { builtImages, builtPackages } from '../kube/control-plane.js';
import { bareInstall, type Did } from './init-bare.js';

const root = `${import.meta.dirname}/../..`;

interface Stage {
  readonly three: Machines;
  /** Holds deepseek.yaml; our home is `home` in it. */
  readonly folder: string;
}

/** Three fresh hosts, for as long as the work takes. */
async function staged<T>(
  folders: { packages: string; images: string },
  work: (stage: Stage) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(`${tmpdir()}/dd-bench-`);
  const three = await machines(3);
  try {
    const from = await mirror(three.hosts[0]!.address.replace(/\d+$/, '1'), folders);
    writeFileSync(`${folder}/deepseek.yaml`, clusterFile(three.hosts, from));
    try {
      return await work({ three, folder });
    } finally {
      await from.close();
    }
  } finally {
    await three.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Taken {
  readonly wallMs: number;
  /** Of the hosts. */
  readonly processorMs: number;
  /** Of all else on this machine: where it is much, the clock tells little. */
  readonly restMs: number;
}

/** What this machine's processors did so far, ms: user, nice, system, irq, softirq of proc(5) /proc/stat, in 1/100 s. */
function machineMs(): number {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number);
  return (user! + nice! + system! + irq! + softirq!) * 10;
}

/** @returns what was taken since */
function watch(three: Machines): () => Taken {
  const [startedAt, hosts, machine] = [performance.now(), processorMs(three), machineMs()];
  return () => {
    const busy = processorMs(three) - hosts;
    return { wallMs: performance.now() - startedAt, processorMs: busy, restMs: machineMs() - machine - busy };
  };
}

type Journal = readonly (Entry & { readonly host: string })[];

/** The program as it is shipped. We go on meanwhile: the hosts have their packages from us. */
async function type({ three, folder }: Stage, ...words: string[]): Promise<Taken & { text: string }> {
  const env = { ...process.env, DEEPSEEK_DEPLOY_HOME: `${folder}/home` };
  const taken = watch(three);
  const child = spawn(process.execPath, [`${root}/bin/deepseek-deploy.js`, ...words], { cwd: folder, env });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (said: string) => {
      text += said;
    });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}:\n${text}`);
  return { ...taken(), text };
}

interface Typed extends Taken {
  readonly journal: Journal;
  /** With nothing to change. */
  readonly again: readonly Taken[];
}

async function typed(stage: Stage): Promise<Typed> {
  const first = await type(stage, 'init', '--yes', '--accept-new-host-keys');
  const lines = readFileSync(`${stage.folder}/home/journal.ndjson`, 'utf8').trim().split('\n');
  // What a new cluster does for itself comes to rest.
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const again: Taken[] = [];
  for (let i = 0; i < 5; i += 1) {
    const one = await type(stage, 'init', '--yes');
    if (!one.text.includes('Nothing to change.')) throw new Error(one.text);
    again.push(one);
  }
  return { ...first, journal: lines.map((line) => JSON.parse(line)), again };
}

async function bare({ three, folder }: Stage, journal: Journal): Promise<Bare> {
  const { env, ...rest } = realWorld({ lang: 'en', json: true, yes: true }, root, new AbortController());
  const places = { ...rest.places, home: `${folder}/home` };
  const world = { ...rest, env, places, cwd: folder };
  const { config } = await settingsOf(world, 'deepseek.yaml', []);
  const wanted = new Map(
    three.hosts.map(({ name }) => {
      const done = journal.filter(({ host, event }) => host === name && event === 'done');
      return [name, new Set(done.map(({ step }) => step))];
    }),
  );
  return withFleet(config, { acceptNewHostKeys: true }, world, async (fleet) => {
    const gathered = await gather(config, fleet, world);
    const words = (name: string): readonly string[] => {
      const { address, identityFile } = three.hosts.find((one) => one.name === name)!.target();
      const control = ['-o', 'ControlMaster=auto', '-o', `ControlPath=${folder}/${name}`, '-o', 'ControlPersist=30'];
      const known = ['-o', `UserKnownHostsFile=${folder}/home/known_hosts`, '-o', 'LogLevel=ERROR'];
      return [...control, ...known, '-i', identityFile!, '-l', 'root', address];
    };
    // The connections stand, as they do when init begins its first step.
    for (const { name } of three.hosts) execFileSync('ssh', [...words(name), 'true']);
    const taken = watch(three);
    const did = await bareInstall(gathered, words, wanted, world);
    return { ...taken(), did };
  });
}

interface Bare extends Taken {
  readonly did: Did;
}

/** Without what differs from one set of test hosts to the next. */
const plain = (line: string): string =>
  line
    .replace(/10\.77\.\d+\./g, '10.77.x.')
    .replace(/(10\.77\.x\.1):\d+/g, '$1:port')
    .replace(/\b[0-9A-F]{40}\b/g, 'fingerprint')
    .replace(/, \d+ bytes\)/g, ')');

/** @throws Error with the first line in which they differ */
function refuseOthers(journal: Journal, { did }: Bare): number {
  let count = 0;
  for (const [name, lines] of did) {
    const own = journal.filter(({ host, event }) => host === name && event === 'action').map(({ action }) => action!);
    for (const [at, line] of [...own, ...lines.slice(own.length)].entries())
      if (plain(line) !== plain(lines[at] ?? ''))
        throw new Error(`${name}: they did not do the same:\n${line}\n${lines[at] ?? '(nothing)'}`);
    count += lines.length;
  }
  return count;
}

export async function real(): Promise<void> {
  const [packages, images] = [builtPackages(), builtImages()];
  if (!packages || !images) return skipped('build the parts first: test/kube/images && test/kube/packages');
  const can = spawnSync(`${root}/test/hosts/can`, { encoding: 'utf8' });
  if (can.status !== 0) return skipped(can.stdout.trim());
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root });
  const putBack = keptKernel();
  try {
    const init = await staged({ packages, images }, typed);
    const least = await staged({ packages, images }, (stage) => bare(stage, init.journal));
    const count = refuseOthers(init.journal, least);
    console.log(`three bare hosts on one machine become a cluster; ${count} actions, the same in both`);
    const row = (name: string, { wallMs, processorMs: busyMs, restMs }: Taken): string[] => [
      name,
      ...[wallMs, busyMs, restMs].map((ms) => `${(ms / 1000).toFixed(1)} s`),
    ];
    const ratio = [init.wallMs / least.wallMs, init.processorMs / least.processorMs].map((x) => `${x.toFixed(2)}x`);
    const head = ['', 'until the slowest host is done', 'processor of the hosts', 'of all else here'];
    const median = init.again.toSorted((a, b) => a.wallMs - b.wallMs)[Math.floor(init.again.length / 2)]!;
    const rows = [
      head,
      row('init', init),
      row('the same commands, bare', least),
      ['ratio', ...ratio],
      row('init again, nothing to change', median),
    ];
    for (const line of table(rows, [{}, { align: 'right' }, { align: 'right' }, { align: 'right' }])) console.log(line);
  } finally {
    putBack();
  }
}

const skipped = (why: string): void => console.log(`\n*** NOT RUN: the real install on three hosts: ${why} ***\n`);
