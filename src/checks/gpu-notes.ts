/** What slows a GPU down, and what is worth knowing of a healthy one. */
import type { Gpu } from '../probes/gpu.js';
import { programFault } from '../probes/gpu-errors.js';
import { say, type Text } from '../say.js';
import type { GpuCheck } from './gpu-diagnosis.js';
import { each } from './gpu-each.js';
import { memoryFaults } from './gpu-faults.js';

const grouped = (value: number): string => value.toString().replace(/\B(?=(\d{3})+$)/g, ',');

const words = (cure: Text): { cure: Text } => ({ cure });

function pastErrors(gpu: Gpu): Text | undefined {
  if (memoryFaults(gpu)) return undefined;
  const errors = Math.max(gpu.ecc?.aggregate?.uncorrected ?? 0, gpu.remappedRows?.uncorrectable ?? 0);
  const pages = gpu.retiredPages?.doubleBit ?? 0;
  if (errors === 0 && pages === 0) return undefined;
  return say(
    `${errors} uncorrected memory errors in its life, ${pages} pages retired for double-bit errors; all dealt with`,
    `历史上有 ${errors} 个不可纠正的显存错误，${pages} 个页因双比特错误停用；均已处理`,
  );
}

const slowing = /^(HW |SW Thermal)/;

const held = (gpu: Gpu): Text | undefined => {
  const reasons = (gpu.clockLimits ?? []).filter((reason) => slowing.test(reason));
  return reasons.length === 0
    ? undefined
    : say(`clocks held down: ${reasons.join(', ')}`, `频率受限：${reasons.join('、')}`);
};

/** Less is what a display and the driver take. */
const busyMiB = 1024;

function busy(gpu: Gpu): Text | undefined {
  const computing = (gpu.processes ?? []).filter(({ type }) => type?.includes('C') && !type.includes('G'));
  const used = gpu.memory?.usedMiB ?? 0;
  if (computing.length === 0 && used < busyMiB) return undefined;
  const names = [...new Set(computing.map(({ name, pid }) => name ?? String(pid)))].slice(0, 3).join(', ');
  const by = names === '' ? say('', '') : say(`, by ${names}`, `，进程：${names}`);
  return used > 0
    ? say(`${grouped(used)} MiB are in use${by.en}`, `已占用 ${grouped(used)} MiB${by.zh}`)
    : say(`in use${by.en}`, `使用中${by.zh}`);
}

const programs: GpuCheck = {
  id: programFault,
  look({ troubles }) {
    const own = troubles.filter(({ id }) => id === programFault);
    if (own.length === 0) return undefined;
    const numbers = [...new Set(own.map(({ detail }) => detail?.xid))].join(', ');
    return {
      id: programFault,
      severity: 'note',
      found: say(
        `Xid ${numbers}: a program failed on the GPU; the board is well.`,
        `Xid ${numbers}：程序在 GPU 上出错，硬件正常。`,
      ),
      cure: say('Look into the program that the kernel log names.', '检查内核日志中提到的程序。'),
    };
  },
};

/** Fewer than are attached, in an output that is whole: it was asked for some only. */
const partial: GpuCheck = {
  id: 'gpu.partial',
  look({ picture, cut, troubles }) {
    const { attached, gpus } = picture;
    if (attached === undefined || gpus.length >= attached || gpus.length === 0 || cut.length > 0 || troubles.length > 0)
      return undefined;
    return {
      id: 'gpu.partial',
      severity: 'note',
      found: say(
        `${gpus.length} of ${attached} GPUs are listed.`,
        `列出了 ${attached} 块 GPU 中的 ${gpus.length} 块。`,
      ),
      cure: say('Leave out -i to see all of them.', '去掉 -i 以查看全部。'),
    };
  },
};

/** GPUs that reach one another over PCIe only: tensor parallelism over them is slow. */
const topology: GpuCheck = {
  id: 'gpu.topology',
  look({ picture }) {
    const names = (picture.topology?.devices ?? []).filter((name) => /^GPU\d/.test(name));
    const pairs = names.flatMap((a) => names.filter((b) => a !== b).map((b) => picture.topology?.links[a]?.[b] ?? ''));
    if (names.length < 2 || pairs.some((link) => link === '' || link.startsWith('NV'))) return undefined;
    const kinds = [...new Set(pairs)].join(', ');
    return {
      id: 'gpu.topology',
      severity: 'note',
      found: say(`No NVLink between the GPUs (${kinds}).`, `GPU 之间没有 NVLink（${kinds}）。`),
      cure: say(
        'Prefer models that fit one GPU, or pipeline over tensor parallelism.',
        '优先选择单卡能容纳的模型，或用流水线并行代替张量并行。',
      ),
    };
  },
};

const help: GpuCheck = {
  id: 'gpu.help-text',
  look({ forms }) {
    const form = forms.find((name) => name.startsWith('help'));
    if (form === undefined || forms.length > 1) return undefined;
    return {
      id: 'gpu.help-text',
      severity: 'note',
      found: say(
        "This is nvidia-smi's help; it says nothing about a machine.",
        '这是 nvidia-smi 的帮助文本，不包含机器信息。',
      ),
      cure: say('Give the output of nvidia-smi -q -x.', '请提供 nvidia-smi -q -x 的输出。'),
    };
  },
};

export const noteChecks: readonly GpuCheck[] = [
  each(
    'gpu.throttled',
    'warning',
    held,
    words(say('Check airflow, temperature and power supply of the node.', '检查节点的风道、温度和供电。')),
  ),
  each(
    'gpu.license',
    'warning',
    (gpu) =>
      /unlicensed/i.test(gpu.license ?? '')
        ? say(`vGPU license: ${gpu.license}`, `vGPU 许可：${gpu.license}`)
        : undefined,
    words(say('Give the vGPU its license; without one it is slowed down.', '为 vGPU 配置许可；没有许可会被降速。')),
  ),
  each(
    'gpu.compute-mode',
    'warning',
    (gpu) => (/prohibited/i.test(gpu.computeMode ?? '') ? say('compute is prohibited', '禁止计算') : undefined),
    words(say('nvidia-smi -i N -c DEFAULT', 'nvidia-smi -i N -c DEFAULT')),
  ),
  each(
    'gpu.ecc-history',
    'note',
    pastErrors,
    words(say('Nothing to do; watch whether the figures grow.', '无需处理；注意数值是否增长。')),
  ),
  each(
    'gpu.mig',
    'note',
    (gpu) =>
      gpu.mig?.mode
        ? say(
            `MIG is on (${gpu.mig.instances?.length ?? '?'} instances)`,
            `已启用 MIG（${gpu.mig.instances?.length ?? '?'} 个实例）`,
          )
        : undefined,
    words(
      say(
        'Models that need whole GPUs want it off: nvidia-smi -i N -mig 0',
        '需要整卡的模型应关闭 MIG:nvidia-smi -i N -mig 0',
      ),
    ),
  ),
  each(
    'gpu.busy',
    'note',
    busy,
    words(say('Stop what runs there before a model is to use this memory.', '部署模型前请先停止占用显存的程序。')),
  ),
  each(
    'gpu.persistence',
    'note',
    (gpu) =>
      gpu.persistence === false && gpu.driverModel === undefined
        ? say('persistence mode is off', '未启用持久模式')
        : undefined,
    words(say('systemctl enable --now nvidia-persistenced', 'systemctl enable --now nvidia-persistenced')),
  ),
  programs,
  partial,
  topology,
  help,
];
