/** The facts in words: one line a subject, the GPUs as a table. */
import { say, type Text } from '../say.js';
import type { Gpu, GpuPicture } from './gpu.js';
import type { HostFacts } from './host.js';
import type { Disk } from './resources.js';

export type Line = readonly [name: Text, says: Text];

const same = (text: string): Text => say(text, text);

/** Parts that are known, joined as a sentence of either language joins them. */
function list(parts: readonly (Text | undefined)[]): Text | undefined {
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0
    ? undefined
    : say(known.map(({ en }) => en).join(', '), known.map(({ zh }) => zh).join('，'));
}

const when = <T>(value: T | undefined, words: (value: T) => Text): Text | undefined =>
  value === undefined ? undefined : words(value);

export const grouped = (value: number): string =>
  Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');

export const gib = (mib: number): string => {
  const value = mib / 1024;
  return `${value >= 100 ? grouped(value) : value.toFixed(1)} GiB`;
};

const lines = (...found: readonly (readonly [Text, Text | undefined])[]): Line[] =>
  found.flatMap(([name, says]) => (says === undefined ? [] : [[name, says] as const]));

export function hostLines(facts: HostFacts): Line[] {
  const { os, kernel, cgroup, cpu, memory, disks, ports, tools, usable } = facts;
  return lines(
    [
      say('System', '系统'),
      list([when(os?.name, same), when(kernel, ({ name, release, arch }) => same(`${name} ${release}, ${arch}`))]),
    ],
    [say('Machine', '环境'), list([machine(facts), when(cgroup?.version, (version) => same(`cgroup v${version}`))])],
    [
      say('CPU', 'CPU'),
      list([
        when(cpu?.model, same),
        when(cpu?.cores, (cores) => say(`${cores} cores`, `${cores} 核`)),
        when(cpu?.threads, (threads) => say(`${threads} threads`, `${threads} 线程`)),
        usable.cpus !== undefined && usable.cpus !== cpu?.threads
          ? say(`${usable.cpus} of them for us`, `其中可用 ${usable.cpus}`)
          : undefined,
      ]),
    ],
    [
      say('Memory', '内存'),
      list([
        when(memory?.totalMiB, (total) => same(gib(total))),
        when(memory?.availableMiB, (free) => say(`${gib(free)} available`, `可用 ${gib(free)}`)),
        when(cgroup?.memoryMiB, (limit) => say(`limited to ${gib(limit)}`, `限制为 ${gib(limit)}`)),
      ]),
    ],
    [say('Disk', '磁盘'), diskWords(disks ?? [])],
    [say('Ports in use', '已用端口'), when(ports, portWords)],
    [say('Tools', '工具'), when(tools, toolWords)],
  );
}

const mostPorts = 12;

function portWords(ports: NonNullable<HostFacts['ports']>): Text {
  const programs = new Map(ports.map(({ port, program }) => [port, program]));
  const names = [...programs].map(([port, program]) => (program ? `${port} ${program}` : String(port)));
  const shown = names.slice(0, mostPorts).join(', ');
  if (names.length === 0) return say('none', '无');
  const more = names.length - mostPorts;
  return more > 0 ? say(`${shown} and ${more} more`, `${shown} 等 ${names.length} 个`) : same(shown);
}

function machine({ virtualization }: HostFacts): Text | undefined {
  const { vm, container } = virtualization ?? {};
  const names: Text | undefined =
    vm === undefined
      ? undefined
      : vm === 'none'
        ? say('no hypervisor', '物理机')
        : vm === 'unknown'
          ? say('virtual machine', '虚拟机')
          : say(`virtual machine (${vm})`, `虚拟机（${vm}）`);
  return list([names, when(container, (kind) => say(`container (${kind})`, `容器（${kind}）`))]);
}

const diskNames: Readonly<Record<string, Text>> = {
  root: same('/'),
  home: say('home', '主目录'),
  state: say('state', '状态目录'),
  cache: say('cache', '缓存目录'),
};

/** What lies on one file system is named together. */
function diskWords(disks: readonly Disk[]): Text | undefined {
  // Two looks at one file system may differ by what was written between them.
  const shared = (a: Disk, b: Disk): boolean =>
    a.totalMiB === b.totalMiB && Math.abs(a.freeMiB - b.freeMiB) < a.totalMiB / 100;
  const firsts = disks.filter((disk, at) => disks.findIndex((other) => shared(other, disk)) === at);
  return list(
    firsts.map((first) => {
      const names = disks.filter((disk) => shared(disk, first)).map(({ of }) => diskNames[of] ?? same(of));
      const [en, zh] = [names.map((name) => name.en).join(', '), names.map((name) => name.zh).join('、')];
      const [free, total] = [gib(first.freeMiB), gib(first.totalMiB)];
      return say(`${free} free of ${total} (${en})`, `剩余 ${free} / ${total}（${zh}）`);
    }),
  );
}

function toolWords(tools: NonNullable<HostFacts['tools']>): Text {
  const { nginx, docker, systemd, packages } = tools;
  const version = (name: string, of?: { readonly version?: string }) => `${name}${of?.version ? ` ${of.version}` : ''}`;
  const plain = (['kubectl', 'helm', 'redis', 'openssh', 'sudo'] as const).filter((name) => tools[name]);
  return (
    list([
      nginx &&
        (nginx.lua
          ? say(`${version('nginx', nginx)} with Lua`, `${version('nginx', nginx)}（含 Lua）`)
          : say(`${version('nginx', nginx)} without Lua`, `${version('nginx', nginx)}（不含 Lua）`)),
      docker && same(version('docker', docker)),
      systemd && same(version('systemd', systemd)),
      ...plain.map(same),
      when(packages, same),
    ]) ?? say('none', '无')
  );
}

/** '8 × NVIDIA H200' for those that are alike. */
function counted(gpus: readonly Gpu[]): Text {
  const kinds = new Map<string, Gpu[]>();
  for (const gpu of gpus) {
    const key = `${gpu.name ?? '?'}|${gpu.memory?.totalMiB ?? ''}`;
    kinds.set(key, [...(kinds.get(key) ?? []), gpu]);
  }
  const words = [...kinds.values()].map((alike) => {
    const { name, nameCut, memory, architecture, computeCapability } = alike[0]!;
    if (name === undefined) return `${alike.length} GPU${alike.length > 1 ? 's' : ''}`;
    const title = `${name}${nameCut ? ' …' : ''}`;
    const inside = [architecture, computeCapability].filter(Boolean).join(' ');
    const size = memory?.totalMiB === undefined ? '' : `, ${grouped(memory.totalMiB)} MiB`;
    return `${alike.length} × ${title}${size}${inside ? ` (${inside})` : ''}`;
  });
  const total = gpus.reduce((sum, { memory }) => sum + (memory?.totalMiB ?? 0), 0);
  const text = words.join('; ');
  return gpus.length > 1 && total > 0 ? say(`${text}, ${gib(total)} in all`, `${text}，共 ${gib(total)}`) : same(text);
}

export function gpuLines(picture: GpuPicture): Line[] {
  const { driver, library, cuda, cudaDerived, gpus, attached } = picture;
  const count =
    gpus.length > 0 ? counted(gpus) : attached === 0 || driver === undefined ? undefined : say('none listed', '未列出');
  return lines(
    [say('GPUs', 'GPU'), count],
    [
      say('Driver', '驱动'),
      list([
        when(driver, same),
        library !== undefined && driver !== undefined && !driver.startsWith(library)
          ? say(`library ${library}`, `用户态库 ${library}`)
          : undefined,
        when(cuda, (version) =>
          cudaDerived
            ? say(`CUDA up to ${version} (by its branch)`, `最高支持 CUDA ${version}（按驱动分支推断）`)
            : say(`CUDA up to ${version}`, `最高支持 CUDA ${version}`),
        ),
      ]),
    ],
    [say('Links', '互联'), linkWords(picture)],
  );
}

function linkWords({ topology, gpus }: GpuPicture): Text | undefined {
  const names = (topology?.devices ?? []).filter((name) => /^GPU\d/.test(name));
  const pairs = names.flatMap((a, at) =>
    names.slice(at + 1).map((b) => topology?.links[a]?.[b] ?? topology?.links[b]?.[a]),
  );
  const kinds = [...new Set(pairs.filter((link) => link !== undefined))];
  const active = [
    ...new Set(gpus.map(({ nvlink }) => (nvlink?.links ? Object.keys(nvlink.links).length : undefined))),
  ].filter((count) => count !== undefined);
  return list([
    active.length > 0 ? say(`${active.join('/')} NVLinks each`, `每卡 ${active.join('/')} 条 NVLink`) : undefined,
    kinds.length === 0 ? undefined : say(`pairs: ${kinds.join(', ')}`, `两两之间：${kinds.join('、')}`),
    ...fabricWords(gpus),
  ]);
}

function fabricWords(gpus: readonly Gpu[]): Text[] {
  const states = [...new Set(gpus.flatMap(({ fabric }) => fabric?.state ?? []))];
  return states.map((state) => say(`fabric ${state}`, `NVSwitch 状态 ${state}`));
}

export const gpuHeading: readonly Text[] = [
  same('#'),
  say('Name', '名称'),
  say('Used', '已用'),
  say('Memory', '显存'),
  say('Load', '负载'),
  say('Temp', '温度'),
  say('Power', '功耗'),
  say('MIG', 'MIG'),
  say('Bus', '总线'),
];

const shown = (value: number | undefined, unit: string): string =>
  value === undefined ? '–' : `${grouped(value)}${unit}`;

function power({ power: of }: Gpu): string {
  if (of?.draw === undefined && of?.limit === undefined) return '–';
  return of.limit === undefined
    ? shown(of.draw, ' W')
    : `${of.draw === undefined ? '–' : Math.round(of.draw)} / ${Math.round(of.limit)} W`;
}

/** One row a GPU, under `gpuHeading`. What is not known is a dash. */
export function gpuRow(gpu: Gpu): string[] {
  const { index, name, nameCut, memory, utilization, temperature, mig, busId } = gpu;
  const instances = mig?.instances?.length;
  return [
    index === undefined ? '–' : String(index),
    name === undefined ? '–' : `${name}${nameCut ? ' …' : ''}`,
    shown(memory?.usedMiB, ''),
    memory?.unified ? `${shown(memory.totalMiB, ' MiB')} *` : shown(memory?.totalMiB, ' MiB'),
    shown(utilization?.gpu, ' %'),
    shown(temperature?.gpu, ' °C'),
    power(gpu),
    mig?.mode ? String(instances ?? '✓') : '–',
    busId?.replace(/^0000(?=[0-9A-F]{4}:)/, '') ?? '–',
  ];
}
