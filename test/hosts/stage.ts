/** Test hosts, a mirror they install from, and the program typed in a folder of its own: what a test of whole installs stands on. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { allDone, many } from '../../src/plan/many.js';
import { sh } from '../hosts-contract/contract.js';
import { partsFor } from '../kube/control-plane.js';
import { cli } from './cli.js';
import { keptKernel, type Machine, type Machines, machines } from './machines.js';
import { type Mirror, mirror } from './mirror.js';

const parts = partsFor('no cluster was brought up', 'packages');
/** Whether the parts of a cluster are at hand. */
export const built = parts !== undefined;

export interface Stage {
  readonly machines: readonly Machine[];
  readonly mirror: Mirror;
  /** Where the program is typed; its home is `home` below. */
  readonly folder: string;
  readonly type: ReturnType<typeof cli>;
  /** Root's, in the order of the machines. */
  readonly hosts: readonly SshHost[];
  /** A shell script as root on every host; what each wrote. */
  on(script: string): Promise<string[]>;
  close(): Promise<void>;
}

export interface Wishes {
  /** More of `kubernetes:`, as in YAML's flow. */
  readonly settings?: string;
  /** A folder with the driver's packages. */
  readonly driver?: string;
}

/** The first host is the control plane, the others are workers. */
export async function stage(count: number, wishes: Wishes = {}): Promise<Stage> {
  const putBack = keptKernel();
  const all = await machines(count);
  const host = all.hosts[0]!.address.replace(/\d+$/, '1');
  const from = await mirror(host, { ...parts!, driver: wishes.driver });
  const ssh: Ssh = openSsh(all.settings, process.env);
  const hosts = all.hosts.map((machine) => ssh.host(machine.target()));
  const folder = mkdtempSync(`${tmpdir()}/dd-stage-`);
  writeFileSync(`${folder}/deepseek.yaml`, configuration(all, from, wishes));
  return {
    machines: all.hosts,
    mirror: from,
    folder,
    type: cli(`${process.cwd()}/src/main.ts`, folder),
    hosts,
    on: async (script) =>
      allDone(await many(hosts, count, (one) => one.run({ ...sh(script), timeoutMs: 60_000 }))).map(
        ({ stdout }) => stdout,
      ),
    async close() {
      await ssh.close();
      await from.close();
      await all.close();
      rmSync(folder, { recursive: true, force: true });
      putBack();
    },
  };
}

function configuration(all: Machines, { address, fingerprint }: Mirror, { settings }: Wishes): string {
  const lines = all.hosts.map((machine, at) => {
    const { address: reached, identityFile } = machine.target();
    const roles = at === 0 ? 'control-plane' : 'worker';
    return `    ${machine.name}: {address: ${reached}, user: root, roles: [${roles}], identityFile: ${identityFile}}`;
  });
  const names = ['docker', 'kubernetes', 'toolkit', 'driver'];
  const registries = ['registry.k8s.io', 'ghcr.io', 'nvcr.io'].map((name) => `${name}: ["${address}"]`);
  return `version: 1
target: kubernetes
kubernetes: {allowCgroupV1: true, docker: false, storage: none${settings ? `, ${settings}` : ''}}
mirrors:
${names.map((name) => `  ${name}: ${address}/${name}`).join('\n')}
  keys: {${names.map((name) => `${name}: ${fingerprint}`).join(', ')}}
  registries: {${registries.join(', ')}}
hosts:
  acceptNewHostKeys: true
  machines:
${lines.join('\n')}
`;
}
