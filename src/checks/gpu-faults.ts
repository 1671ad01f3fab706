/** Faults that the figures show and no message reports. */
import type { Fabric, Gpu } from '../probes/gpu.js';
import { needsNvLink } from '../probes/gpu-names.js';
import { say, type Text } from '../say.js';
import type { Diagnosis, Evidence, GpuCheck } from './gpu-diagnosis.js';
import { each } from './gpu-each.js';
import { remedies } from './gpu-remedies.js';

const joined = (parts: readonly Text[]): Text | undefined =>
  parts.length === 0 ? undefined : say(parts.map(({ en }) => en).join(', '), parts.map(({ zh }) => zh).join('，'));

const failures = (gpu: Gpu): string[] => Object.values(gpu.unreadable ?? {});

/** A name that cannot be read, or three figures and more: the board itself does not answer. */
const silent = (gpu: Gpu): boolean => {
  const errors = failures(gpu).filter((text) => /^(err!?|unknown error)$/i.test(text));
  return gpu.unreadable?.name !== undefined || errors.length >= 3;
};

const lost = each('gpu.lost', 'fault', (gpu) =>
  failures(gpu).some((text) => /is lost|no longer answers/i.test(text)) || silent(gpu)
    ? say('it no longer answers', '不再响应')
    : undefined,
);

function resetNeeded(gpu: Gpu): Text | undefined {
  const action = gpu.recoveryAction;
  if (action !== undefined && action !== 'None') return say(`the driver asks for: ${action}`, `驱动要求：${action}`);
  if (gpu.resetRequired || failures(gpu).some((text) => /reset/i.test(text)))
    return say('it has to be reset', '需要复位');
  return gpu.drainRecommended ? say('the driver recommends to drain and reset it', '驱动建议停用并复位') : undefined;
}

/** NVIDIA takes a board back once this many pages were retired ("Dynamic Page Retirement", RMA policy). */
const pagesOfAWornBoard = 60;

export function memoryFaults(gpu: Gpu): Text | undefined {
  const { ecc, remappedRows, retiredPages } = gpu;
  const errors = ecc?.volatile?.uncorrected ?? 0;
  const pages = (retiredPages?.singleBit ?? 0) + (retiredPages?.doubleBit ?? 0);
  const parts: Text[] = [];
  if (errors > 0)
    parts.push(
      say(
        `${errors} uncorrected memory errors since the driver was loaded`,
        `驱动加载以来有 ${errors} 个不可纠正的显存错误`,
      ),
    );
  if (remappedRows?.failure)
    parts.push(
      say('a memory row could not be remapped: the board has to be replaced', '显存行重映射失败：需要更换该卡'),
    );
  if (remappedRows?.pending)
    parts.push(say('a memory row waits to be remapped: reset it', '有显存行等待重映射：需要复位'));
  if (retiredPages?.pending)
    parts.push(say('memory pages wait to be retired: reboot or reset', '有显存页等待停用：需要重启或复位'));
  if (pages >= pagesOfAWornBoard)
    parts.push(
      say(`${pages} memory pages retired: the board has to be replaced`, `已停用 ${pages} 个显存页：需要更换该卡`),
    );
  if (ecc?.sramThresholdExceeded)
    parts.push(say('SRAM errors passed the limit: the board has to be replaced', 'SRAM 错误超过阈值：需要更换该卡'));
  if (ecc?.unrepairable)
    parts.push(say('memory that cannot be repaired: the board has to be replaced', '存在无法修复的显存：需要更换该卡'));
  if (ecc?.repairPending) parts.push(say('a repair of the memory waits for a reset', '显存修复等待复位'));
  return joined(parts);
}

/** Words of the health block that mean all is well, or that it does not apply. */
const wellWords = /^(healthy|full|false|no|none|n\/a|not supported|success|completed|yes|true|assigned)$/i;
const healthNames: Readonly<Record<string, string>> = {
  routeunhealthy: 'route unhealthy',
  routerecoveryinprogress: 'route recovery in progress',
  accesstimeoutrecovery: 'access timeout recovery',
  incorrectconfiguration: 'incorrect configuration',
};
/** Of these 'true' is the bad answer. */
const badWhenTrue = /unhealthy|recovery|incorrect/i;

function sick({ state, status, health = {} }: Fabric): string[] {
  const parts = Object.entries(health).filter(([key, says]) =>
    badWhenTrue.test(key) ? !/^(false|no|none)$/i.test(says) : !wellWords.test(says),
  );
  return [
    ...(state !== undefined && !/^completed$/i.test(state) ? [state] : []),
    ...(status !== undefined && !/^success$/i.test(status) && status !== state ? [status] : []),
    ...parts.map(([key, says]) => `${healthNames[key] ?? key} ${says}`),
  ];
}

function fabricFault(gpu: Gpu): Text | undefined {
  const parts = gpu.fabric ? sick(gpu.fabric) : [];
  return parts.length === 0
    ? undefined
    : say(`NVSwitch fabric: ${parts.join(', ')}`, `NVSwitch 互联：${parts.join('、')}`);
}

/** A lone GPU has nobody to link to, and a PCIe card may have no bridge. */
function linksDown(gpu: Gpu, { picture }: Evidence): Text | undefined {
  const down = gpu.nvlink?.inactive ?? [];
  if ((!gpu.nvlink?.allInactive && down.length === 0) || !needsNvLink(gpu.name ?? '')) return undefined;
  if (picture.attached === 1) return undefined;
  if (gpu.nvlink?.allInactive) return say('all its NVLinks are down', '所有 NVLink 均已断开');
  return say(`NVLinks ${down.join(', ')} are down`, `NVLink ${down.join('、')} 已断开`);
}

function unreadable(gpu: Gpu): Text | undefined {
  if (silent(gpu)) return undefined;
  const fields = Object.entries(gpu.unreadable ?? {}).filter(([, says]) =>
    /^(err!?|unknown error|uncorrectable)/i.test(says),
  );
  if (fields.length === 0) return undefined;
  const list = fields.map(([field, says]) => `${field} ${says}`).join(', ');
  return say(`cannot be read: ${list}`, `无法读取：${list}`);
}

const truncated: GpuCheck = {
  id: 'gpu.truncated',
  look({ cut, picture }): Diagnosis | undefined {
    if (cut.length === 0) return undefined;
    const count = picture.attached === undefined ? '' : `, ${picture.gpus.length}/${picture.attached} GPUs`;
    return {
      id: 'gpu.truncated',
      severity: 'fault',
      found: say(
        `The output stops before its end (${cut.join(', ')}${count}).`,
        `输出在结束前中断（${cut.join('、')}${count}）。`,
      ),
      why: say(
        'It was copied only in part, or nvidia-smi was stopped while it waited for a GPU.',
        '输出只被复制了一部分，或 nvidia-smi 在等待 GPU 时被终止。',
      ),
      cure: say(
        'Record it again into a file (deepseek-deploy probe --record FILE); if it stops there again, look at dmesg | grep -E "NVRM|Xid".',
        '重新录制到文件（deepseek-deploy probe --record FILE）；若再次中断，请查看 dmesg | grep -E "NVRM|Xid"。',
      ),
    };
  },
};

const empty: GpuCheck = {
  id: 'gpu.none',
  look({ picture, cut, forms }) {
    if (picture.attached !== 0 || picture.gpus.length > 0 || cut.length > 0 || forms.length === 0) return undefined;
    const { found, why, cure } = remedies['gpu.none']!;
    return { id: 'gpu.none', severity: 'fault', found, why: why!, cure };
  },
};

export const faultChecks: readonly GpuCheck[] = [
  lost,
  each('gpu.reset-needed', 'fault', resetNeeded),
  each('gpu.inforom', 'fault', (gpu) =>
    gpu.inforomValid === false ? say('its infoROM is corrupted', 'infoROM 已损坏') : undefined,
  ),
  each('gpu.ecc', 'fault', memoryFaults),
  each('gpu.fabric', 'fault', fabricFault),
  each('gpu.nvlink', 'fault', linksDown),
  each('gpu.unreadable', 'fault', unreadable, {
    why: say(
      'A sensor or a part of the board does not answer; it may be the first sign of more.',
      '某个传感器或部件没有响应，可能是更大问题的前兆。',
    ),
    cure: say(
      'Look at dmesg | grep -E "NVRM|Xid", reset the GPU; if it stays, check the board.',
      '查看 dmesg | grep -E "NVRM|Xid"，复位 GPU；若仍存在，请检查该卡。',
    ),
  }),
  empty,
  truncated,
];
