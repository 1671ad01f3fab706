/** The boards against what nvidia-smi and the kernel say of them. */
import { diagnosisOfXid } from '../probes/xids.js';
import { say } from '../say.js';
import { type Found, type NodeCheck, nodeCheck, type Patient } from './node-check.js';
import { boards, diagnosed } from './node-driver.js';

const gpuCount = nodeCheck<Patient>(
  'gpu.count',
  'fail',
  say('nvidia-smi sees every board on the bus', 'nvidia-smi 可见总线上的所有 GPU'),
  (patient) => {
    const picture = patient.facts.host.gpu?.picture;
    const held = boards(patient).filter(({ driver }) => driver === 'nvidia').length;
    if (patient.facts.host.pci === undefined || held === 0) return patient.hasGpu ? undefined : 'aside';
    // A driver that does not answer at all, or an answer that is not whole, is told elsewhere.
    const seen = picture?.attached ?? picture?.gpus.length ?? 0;
    if (seen === 0 || (patient.facts.host.gpu?.cut.length ?? 0) > 0) return undefined;
    if (seen >= held) return 'well';
    return {
      found: say(
        `${held} boards on the bus, ${seen} in nvidia-smi: one fell off or did not start`,
        `总线上有 ${held} 块 GPU，nvidia-smi 仅见 ${seen} 块：有卡掉线或初始化失败`,
      ),
      hint: say(
        'dmesg | grep -E "NVRM|Xid" names it; take the node out of service and power-cycle it (a cold start). If it stays: seat the board, check its power, have it replaced.',
        '用 dmesg | grep -E "NVRM|Xid" 定位；将节点下线并断电冷启动。若仍存在：重新插接、检查供电，或更换该卡。',
      ),
    };
  },
);

const xidLine = /Xid \(PCI:([0-9a-f:.]+)\): (\d+)/i;

const xids = nodeCheck<Patient>(
  'gpu.xid-log',
  'warn',
  say('The kernel log has no fault of a GPU', '内核日志中没有 GPU 故障'),
  (patient) => {
    const log = patient.facts.kernelLog;
    if (!patient.hasGpu) return 'aside';
    if (log === undefined || patient.facts.root !== true) return undefined;
    const found = log.flatMap((line) => {
      const [, bus, number] = xidLine.exec(line) ?? [];
      const id = number === undefined ? undefined : diagnosisOfXid(Number(number));
      return id === undefined || diagnosed(patient, id) ? [] : [{ bus: bus!, number: number!, id }];
    });
    if (found.length === 0) return 'well';
    return xidFound(found);
  },
);

function xidFound(found: readonly { readonly bus: string; readonly number: string; readonly id: string }[]): Found {
  const said = [...new Set(found.map(({ bus, number, id }) => `Xid ${number} (${bus}, ${id})`))].slice(0, 4);
  return {
    found: say(
      `Since it was started: ${said.join(', ')}; nvidia-smi shows nothing of it now`,
      `启动以来出现：${said.join('、')}；nvidia-smi 目前未显示异常`,
    ),
    hint: say(
      'Watch whether it comes back; Xid 48, 79, 94, 95, 119 and 154 more than once: drain the node and reset the GPU, then dcgmi diag -r 3.',
      '请观察是否再次出现；若 Xid 48、79、94、95、119、154 多次出现：排空节点并复位 GPU，然后执行 dcgmi diag -r 3。',
    ),
  };
}

export const boardChecks: readonly NodeCheck<Patient>[] = [gpuCount, xids];
