/** The driver of the GPUs, beyond what nvidia-smi itself tells: why it does not load, and what will break it next. */
import { familyOf } from '../probes/gpu-names.js';
import { say, type Text } from '../say.js';
import { type NodeCheck, nodeCheck, older, type Patient } from './node-check.js';

export const boards = ({ facts }: Patient) => (facts.host.pci ?? []).filter(({ kind }) => kind === 'gpu');
export const diagnosed = ({ diagnoses }: Patient, ...ids: readonly string[]): boolean =>
  diagnoses.some(({ id }) => ids.includes(id));
const loadedVersion = ({ facts }: Patient): string | undefined =>
  facts.driver?.loaded ?? facts.host.gpu?.picture.driver;
const names = (patient: Patient): string[] =>
  [...(patient.facts.host.gpu?.picture.gpus ?? []), ...boards(patient)].flatMap(({ name }) => name ?? []);

const built = nodeCheck<Patient>(
  'driver.built',
  'fail',
  say('The driver is built for the kernel that runs', '驱动已针对当前内核编译'),
  (patient) => {
    const { driver } = patient.facts;
    if (!patient.hasGpu) return 'aside';
    if (driver === undefined) return undefined;
    if (driver.loaded !== undefined) return 'well';
    const known = driver.dkms.filter((line) => /nvidia/i.test(line));
    if (known.length === 0 || driver.onDisk !== undefined) return 'aside';
    const here = known.some((line) => line.includes(driver.release) && /installed/.test(line));
    if (here) return 'well';
    return {
      ...(patient.survey.wanted.driver === 'install' ? { byInit: true as const } : {}),
      found: say(
        `DKMS has the driver (${known[0]}), not for ${driver.release}, the kernel that runs${driver.headers ? '' : ', whose headers are missing'}`,
        `DKMS 中的驱动（${known[0]}）没有针对当前内核 ${driver.release} 编译${driver.headers ? '' : '，且缺少该内核的头文件'}`,
      ),
      hint: say(
        'apt-get install linux-headers-$(uname -r) && dkms autoinstall && modprobe nvidia (RHEL: dnf install kernel-devel-$(uname -r))',
        '执行 apt-get install linux-headers-$(uname -r) && dkms autoinstall && modprobe nvidia（RHEL：dnf install kernel-devel-$(uname -r)）',
      ),
    };
  },
);

const refusedLine = /Key was rejected|[mM]odule.*rejected|Lockdown:.*unsigned/;

const secureBoot = nodeCheck<Patient>(
  'driver.secure-boot',
  'fail',
  say('Secure Boot lets the driver in', 'Secure Boot 允许加载驱动'),
  (patient) => {
    const { driver, kernelLog } = patient.facts;
    if (!patient.hasGpu || diagnosed(patient, 'gpu.secure-boot')) return 'aside';
    if (driver === undefined || (driver.secureBoot === undefined && !kernelLog?.some((line) => refusedLine.test(line))))
      return undefined;
    if (driver.loaded !== undefined || driver.secureBoot === false) return 'well';
    const line = kernelLog?.find((one) => refusedLine.test(one));
    const hint = say(
      "Install the distribution's signed modules (Ubuntu: linux-modules-nvidia-580-server-open-generic), or enrol a key at the console (mokutil --import KEY; it cannot be done over ssh), or switch Secure Boot off.",
      '请安装发行版签名的模块（Ubuntu：linux-modules-nvidia-580-server-open-generic），或在控制台登记密钥（mokutil --import KEY，无法通过 ssh 完成），或关闭 Secure Boot。',
    );
    if (line !== undefined || (driver.onDisk !== undefined && driver.signer === undefined))
      return {
        hint,
        found: say(
          `Secure Boot keeps the unsigned module out${line ? `: "${line.slice(0, 120)}"` : ''}`,
          `Secure Boot 拒绝未签名的模块${line ? `：“${line.slice(0, 120)}”` : ''}`,
        ),
      };
    if (driver.onDisk !== undefined) return 'well';
    return {
      severity: 'warn',
      hint,
      found: say(
        'Secure Boot is on: a driver built here (DKMS) will be refused',
        'Secure Boot 已启用：本机编译（DKMS）的驱动会被拒绝',
      ),
    };
  },
);

const pending = nodeCheck<Patient>(
  'driver.pending',
  'warn',
  say('The driver that runs is the one installed', '运行中的驱动与已安装版本一致'),
  (patient) => {
    const { driver } = patient.facts;
    if (!patient.hasGpu || diagnosed(patient, 'gpu.driver-mismatch')) return 'aside';
    if (driver?.loaded === undefined || driver.onDisk === undefined) return undefined;
    if (driver.loaded === driver.onDisk) return 'well';
    return {
      found: say(
        `The module that runs is ${driver.loaded}, the one installed ${driver.onDisk}: the next container sees "Driver/library version mismatch"`,
        `运行中的模块为 ${driver.loaded}，已安装的为 ${driver.onDisk}：新容器会报“Driver/library version mismatch”`,
      ),
      hint: say(
        'Drain the node and reboot it; then apt-mark hold the driver packages.',
        '请排空该节点并重启，然后用 apt-mark hold 锁定驱动软件包。',
      ),
    };
  },
);

/** CUDA 12 runs on 525 and newer (minor version compatibility), CUDA 13 on 580. Source: NVIDIA, CUDA Compatibility. */
const [leastDriver, goodDriver] = ['525', '580'];

const minimum = nodeCheck<Patient>(
  'driver.minimum',
  'fail',
  say("The driver carries the CUDA of the engines' images", '驱动支持引擎镜像的 CUDA 版本'),
  (patient) => {
    if (!patient.hasGpu) return 'aside';
    const version = loadedVersion(patient);
    if (version === undefined) return undefined;
    if (!older(version, goodDriver)) return 'well';
    const bad = older(version, leastDriver);
    return {
      ...(bad ? {} : { severity: 'warn' as const }),
      found: bad
        ? say(
            `Driver ${version}: images with CUDA 12 and newer fail on it with error 803 or 804`,
            `驱动 ${version}：CUDA 12 及更新的镜像会报错误 803 或 804`,
          )
        : say(
            `Driver ${version}: images with CUDA 13 fail on it with error 803 or 804`,
            `驱动 ${version}：CUDA 13 的镜像会报错误 803 或 804`,
          ),
      hint: say(
        'Install driver 580 or newer; until then an image with an older CUDA. Forward compatibility helps data-centre boards only.',
        '请安装 580 或更新的驱动；在此之前可使用 CUDA 版本较低的镜像。向前兼容仅适用于数据中心 GPU。',
      ),
    };
  },
);

const openOnly = new Set(['Blackwell']);
/** The open modules begin with Turing. */
const closedOnly = new Set(['Volta', 'Pascal', 'Maxwell']);

const flavour = nodeCheck<Patient>(
  'driver.flavour',
  'fail',
  say('The driver is of the flavour that the boards need', '驱动类型与 GPU 匹配'),
  (patient) => {
    const open = patient.facts.driver?.open;
    if (!patient.hasGpu) return 'aside';
    if (open === undefined) return undefined;
    const wrong = names(patient).find((name) => (open ? closedOnly : openOnly).has(familyOf(name)?.architecture ?? ''));
    if (wrong === undefined) return 'well';
    return {
      found: open
        ? say(`${wrong} does not work with the open kernel modules`, `${wrong} 不支持开放内核模块`)
        : say(`${wrong} works with the open kernel modules alone`, `${wrong} 仅支持开放内核模块`),
      hint: open
        ? say(
            'Install the proprietary flavour of R580, the last branch for this board (cuda-drivers).',
            '请安装 R580 的专有内核模块（cuda-drivers），这是支持该卡的最后一个分支。',
          )
        : say(
            'Install nvidia-open (or nvidia-driver-580-server-open) in place of the proprietary modules, then reboot.',
            '请以 nvidia-open（或 nvidia-driver-580-server-open）替换专有模块，然后重启。',
          ),
    };
  },
);

const needsLinkManager = /\bG?B[23]00\b/;

const fabric = nodeCheck<Patient>(
  'driver.fabric-manager',
  'fail',
  say('Fabric Manager runs, of the version of the driver', 'Fabric Manager 正在运行且版本一致'),
  (patient) => {
    const { driver, modules, host } = patient.facts;
    const switches = (host.pci ?? []).some(({ kind }) => kind === 'switch');
    const linked = names(patient).some((name) => needsLinkManager.test(name) && !/GB[23]00/.test(name));
    if (!patient.hasGpu || (!switches && !linked)) return 'aside';
    if (driver === undefined || loadedVersion(patient) === undefined) return undefined;
    const found = fabricFound(driver.fabricManager, loadedVersion(patient)!);
    if (found)
      return {
        found,
        hint: say(
          'Install nvidia-fabricmanager of exactly the version of the driver, then: systemctl enable --now nvidia-fabricmanager',
          '请安装与驱动版本完全一致的 nvidia-fabricmanager，然后执行 systemctl enable --now nvidia-fabricmanager',
        ),
      };
    if (linked && modules?.ib_umad !== undefined && modules.ib_umad !== 'on')
      return {
        found: say(
          'HGX B200 and B300 need the module ib_umad beside Fabric Manager (NVLSM)',
          'HGX B200/B300 除 Fabric Manager 外还需要 ib_umad 模块（NVLSM）',
        ),
        hint: say(
          'modprobe ib_umad, its name in /etc/modules-load.d/, install nvlsm, restart nvidia-fabricmanager',
          '执行 modprobe ib_umad 并写入 /etc/modules-load.d/，安装 nvlsm，重启 nvidia-fabricmanager',
        ),
      };
    return 'well';
  },
);

function fabricFound(
  manager: { readonly state: string; readonly version?: string } | undefined,
  driver: string,
): Text | undefined {
  if (manager === undefined)
    return say(
      'NVSwitch is there and Fabric Manager is not installed: CUDA fails with error 802',
      '存在 NVSwitch 但未安装 Fabric Manager：CUDA 会报错误 802',
    );
  if (manager.state !== 'active')
    return say(
      `Fabric Manager is ${manager.state}: CUDA fails with error 802`,
      `Fabric Manager 状态为 ${manager.state}：CUDA 会报错误 802`,
    );
  if (manager.version !== undefined && manager.version !== driver)
    return say(
      `Fabric Manager is ${manager.version}, the driver ${driver}: they must be the same`,
      `Fabric Manager 为 ${manager.version}，驱动为 ${driver}：两者必须一致`,
    );
  return undefined;
}

/** gpu-operator#1361: NVML of these releases loses GPUs where some are in MIG mode and some are whole. */
const migMixed = nodeCheck<Patient>(
  'driver.mig-mix',
  'warn',
  say('Whole GPUs and MIG get along', 'MIG 与整卡可共存'),
  (patient) => {
    const gpus = patient.facts.host.gpu?.picture.gpus ?? [];
    const version = loadedVersion(patient);
    const on = gpus.filter(({ mig }) => mig?.mode).length;
    if (on === 0 || version === undefined) return 'aside';
    if (on === gpus.length || older(version, '570.124.06') || !older(version, '570.158.02')) return 'well';
    return {
      found: say(
        `Driver ${version} loses sight of GPUs where some are in MIG mode and some are not`,
        `驱动 ${version} 在部分 GPU 启用 MIG 时会丢失其余 GPU`,
      ),
      hint: say('Install 580, or set all GPUs of the host alike.', '请安装 580，或让该主机所有 GPU 的 MIG 模式一致。'),
    };
  },
);

export const driverChecks: readonly NodeCheck<Patient>[] = [
  ...[built, secureBoot, pending, minimum, flavour, fabric, migMixed],
];
