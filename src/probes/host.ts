/** Everything that is asked of a host, and the facts that the answers add up to. */
import { show } from '../command.js';
import type { Host, World } from '../world.js';
import { type Cgroup, cgroup } from './cgroup.js';
import type { Gpu } from './gpu.js';
import { askGpus, gpuQuestions, gpusOnly, understoodIn } from './gpu-commands.js';
import { type PciDevice, pciScript, readPciDevices } from './pci.js';
import { type Port, ports } from './ports.js';
import { ask, type Probe, type Section, script } from './probe.js';
import { type Cpu, cpu, type Disk, disks, type Memory, memory } from './resources.js';
import { type Kernel, kernel, type Os, os, type Virtualization, virtualization } from './system.js';
import { type Tools, tools } from './tools.js';
import type { Understood } from './understand.js';

export interface HostFacts {
  readonly os?: Os | undefined;
  readonly kernel?: Kernel | undefined;
  readonly virtualization?: Virtualization | undefined;
  readonly cgroup?: Cgroup | undefined;
  readonly cpu?: Cpu | undefined;
  readonly memory?: Memory | undefined;
  readonly disks?: readonly Disk[] | undefined;
  readonly ports?: readonly Port[] | undefined;
  readonly tools?: Tools | undefined;
  /** NVIDIA's devices; none where there is no PCI bus. */
  readonly pci?: readonly PciDevice[] | undefined;
  /** Undefined when nvidia-smi was not asked. */
  readonly gpu?: Understood | undefined;
  /** What this process may use, after affinity, cpuset, quota and memory limit. */
  readonly usable: { readonly cpus?: number; readonly memoryMiB?: number };
}

const pci: Probe<PciDevice[] | undefined> = {
  id: 'host.pci',
  command: script(pciScript),
  // 3: there is no such bus here.
  read: ({ code, stdout }) => (code === 0 || code === 3 ? readPciDevices(stdout) : undefined),
};

type Places = Pick<World['places'], 'home' | 'cache'>;

/** All that may be asked at once. */
export const hostProbes = (places: Places): readonly Probe<unknown>[] => [
  os,
  kernel,
  virtualization,
  cgroup,
  cpu,
  memory,
  disks(places),
  ports,
  tools,
  pci,
];

/** A quota of 1.5 CPUs lets two threads run, one of them half of the time; fewer than one is still one. */
function usable({ allowed, threads }: Cpu = {}, group: Cgroup = {}): number | undefined {
  const bounds = [
    allowed ?? threads,
    group.cpus,
    group.cpuQuota === undefined ? undefined : Math.max(1, Math.floor(group.cpuQuota)),
  ];
  const known = bounds.filter((bound) => bound !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

const least = (...values: readonly (number | undefined)[]): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};

/** A GPU that shares the host's memory has as much as the host. */
const withHostMemory = (gpu: Gpu, totalMiB: number | undefined): Gpu =>
  gpu.memory?.unified && gpu.memory.totalMiB === undefined && totalMiB !== undefined
    ? { ...gpu, memory: { ...gpu.memory, totalMiB } }
    : gpu;

/** The facts that a host's answers add up to: live ones and recorded ones alike. */
export function readHost(sections: readonly Section[]): HostFacts {
  const of = <T>(probe: Probe<T>): T | undefined => {
    const section = sections.find(({ id }) => id === probe.id);
    return section && probe.read(section.result);
  };
  const facts = {
    os: of(os),
    kernel: of(kernel),
    virtualization: of(virtualization),
    cgroup: of(cgroup),
    cpu: of(cpu),
    memory: of(memory),
    disks: of(disks({ home: '', cache: '' })),
    ports: of(ports),
    tools: of(tools),
    pci: of(pci),
  };
  const gpu = understoodIn(sections);
  const gpus = gpu?.picture.gpus.map((one) => withHostMemory(one, facts.memory?.totalMiB));
  return {
    ...facts,
    gpu: gpu && { ...gpu, picture: { ...gpu.picture, gpus: gpus! } },
    usable: {
      ...(usable(facts.cpu, facts.cgroup) === undefined ? {} : { cpus: usable(facts.cpu, facts.cgroup)! }),
      ...memoryBound(facts.memory, facts.cgroup),
    },
  };
}

function memoryBound(memory: Memory | undefined, group: Cgroup | undefined): { memoryMiB?: number } {
  const bound = least(memory?.availableMiB ?? memory?.totalMiB, group?.memoryMiB);
  return bound === undefined ? {} : { memoryMiB: bound };
}

/** Runs the probes: those that cannot hang one another at once, nvidia-smi's beside them in a row. */
async function askAll(host: Host, probes: readonly Probe<unknown>[], ofGpus = gpuQuestions): Promise<Section[]> {
  const questions = probes.map(async ({ id, command }) => {
    const result = await ask(host, command);
    return { id, line: show(command), result };
  });
  const [plain, gpus] = await Promise.all([Promise.all(questions), askGpus(host, ofGpus)]);
  return [...plain, ...gpus];
}

export const askHost = ({ host, places }: Pick<World, 'host' | 'places'>): Promise<Section[]> =>
  askAll(host, hostProbes(places));

/** What a plan is made on. */
export const askForPlan = (host: Host): Promise<Section[]> =>
  askAll(host, [os, kernel, virtualization, cgroup, cpu, memory, pci], gpusOnly);

/** What this machine is; read-only, needs no root, and says nothing about what it could not see. */
export async function probeHost(world: Pick<World, 'host' | 'places'>): Promise<HostFacts> {
  return readHost(await askHost(world));
}
