/** What a fault is, why it comes and what mends it, by the id of its diagnosis; causes stand before consequences. */
import { say, type Text } from '../say.js';

export interface Remedy {
  readonly found: Text;
  readonly why?: Text;
  readonly cure: Text;
}

export const remedies: Readonly<Record<string, Remedy>> = {
  'gpu.nouveau': {
    found: say('Another driver, nouveau most likely, holds the GPU.', 'GPU 被其他驱动（多半是 nouveau）占用。'),
    cure: say(
      'Blacklist nouveau (blacklist nouveau; options nouveau modeset=0), rebuild the initramfs, install the NVIDIA driver, reboot.',
      '屏蔽 nouveau（blacklist nouveau；options nouveau modeset=0），重建 initramfs，安装 NVIDIA 驱动后重启。',
    ),
  },
  'gpu.secure-boot': {
    found: say("The kernel refused the driver's module.", '内核拒绝加载驱动模块。'),
    why: say('Secure Boot is on and the module is not signed.', '已启用 Secure Boot，而模块没有签名。'),
    cure: say(
      "Install the distribution's signed modules (Ubuntu: linux-modules-nvidia-580-server-open-generic), or enrol a key at the console (mokutil --import).",
      '安装发行版签名的模块（Ubuntu：linux-modules-nvidia-580-server-open-generic），或在控制台登记密钥（mokutil --import）。',
    ),
  },
  'gpu.driver-mismatch': {
    found: say(
      "The driver's library and its kernel module are of different versions.",
      '驱动的用户态库与内核模块版本不一致。',
    ),
    why: say(
      'The driver was upgraded (often by unattended upgrades) while the old module stayed loaded.',
      '驱动被升级（常由自动更新引起），而旧模块仍在运行。',
    ),
    cure: say(
      'Stop what uses the GPUs, then: rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && modprobe nvidia; or reboot. Then hold the driver packages.',
      '停止使用 GPU 的程序，然后执行 rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && modprobe nvidia，或重启；之后锁定驱动软件包版本。',
    ),
  },
  'gpu.driver-missing': {
    found: say('The NVIDIA driver is not running.', 'NVIDIA 驱动没有运行。'),
    why: say(
      'Not installed, not built for this kernel, nouveau in its place, or refused by Secure Boot.',
      '未安装、未针对当前内核编译、被 nouveau 取代，或被 Secure Boot 拒绝。',
    ),
    cure: say(
      'Look at: dkms status; lsmod | grep -E "nvidia|nouveau"; mokutil --sb-state. Install driver 580 or newer with the headers of this kernel, then reboot.',
      '检查：dkms status；lsmod | grep -E "nvidia|nouveau"；mokutil --sb-state。安装 580 或更新的驱动及当前内核的头文件，然后重启。',
    ),
  },
  'gpu.library-missing': {
    found: say(
      "The driver's library (libnvidia-ml.so) or tools are missing.",
      '缺少驱动的用户态库（libnvidia-ml.so）或工具。',
    ),
    why: say(
      'The user-space half of the driver is not installed, or a container was started without it.',
      '驱动的用户态部分没有安装，或容器启动时没有挂载。',
    ),
    cure: say(
      'On the host install nvidia-utils of the same version as the module; start the container with --gpus all (NVIDIA Container Toolkit) or with CDI.',
      '在主机上安装与内核模块同版本的 nvidia-utils；用 --gpus all（NVIDIA Container Toolkit）或 CDI 启动容器。',
    ),
  },
  'gpu.smi-missing': {
    found: say('nvidia-smi is not installed.', '没有安装 nvidia-smi。'),
    why: say(
      'The NVIDIA driver is not installed, or its tools are not in PATH.',
      'NVIDIA 驱动没有安装，或其工具不在 PATH 中。',
    ),
    cure: say(
      'If the machine has an NVIDIA GPU (lspci -d 10de:), install the driver, 580 or newer; in a container pass --gpus all.',
      '如果机器有 NVIDIA GPU（lspci -d 10de:），请安装 580 或更新的驱动；容器请加 --gpus all。',
    ),
  },
  'gpu.toolkit-missing': {
    found: say('The container runtime cannot pass GPUs on.', '容器运行时无法传入 GPU。'),
    cure: say(
      'Install the NVIDIA Container Toolkit, run nvidia-ctk runtime configure --runtime=docker (or containerd), restart the runtime.',
      '安装 NVIDIA Container Toolkit，执行 nvidia-ctk runtime configure --runtime=docker（或 containerd），然后重启运行时。',
    ),
  },
  'gpu.permissions': {
    found: say('The driver refuses this user or container.', '驱动拒绝了当前用户或容器的访问。'),
    why: say(
      'No rights on /dev/nvidia*, SELinux, or a capability that the container lacks.',
      '对 /dev/nvidia* 没有权限、SELinux 限制，或容器缺少权限。',
    ),
    cure: say(
      'Run as root once to compare; check ls -l /dev/nvidia* and ausearch -m avc -ts recent; for containers install container-selinux or use CDI.',
      '用 root 运行一次作对比；检查 ls -l /dev/nvidia* 与 ausearch -m avc -ts recent；容器请安装 container-selinux 或使用 CDI。',
    ),
  },
  'gpu.blocked': {
    found: say('The operating system blocks access to the GPU.', '操作系统阻止了对 GPU 的访问。'),
    why: say(
      'Under WSL: the Windows driver, the Windows build or WSL itself is too old, or a driver was installed inside WSL.',
      '在 WSL 中：Windows 驱动、Windows 版本或 WSL 过旧，或在 WSL 内部安装了驱动。',
    ),
    cure: say(
      'Update the Windows driver, run wsl --update and wsl --shutdown, remove NVIDIA driver packages inside WSL.',
      '更新 Windows 驱动，执行 wsl --update 和 wsl --shutdown，并删除 WSL 内的 NVIDIA 驱动软件包。',
    ),
  },
  'gpu.nvml-unknown': {
    found: say("The driver's library cannot reach the GPUs.", '驱动库无法访问 GPU。'),
    why: say(
      'In a container: it lost its devices after systemctl daemon-reload (systemd cgroups). On a host: look in the kernel log.',
      '容器中：systemctl daemon-reload 之后丢失了设备（systemd cgroup）。主机上：请查看内核日志。',
    ),
    cure: say(
      'Restart the container; for good, pass the GPUs by CDI (nvidia-ctk cdi generate) or name /dev/nvidia* as devices. On a host: dmesg | grep -E "NVRM|Xid".',
      '重启容器；要根治，请通过 CDI（nvidia-ctk cdi generate）传入 GPU，或显式列出 /dev/nvidia*。主机上：dmesg | grep -E "NVRM|Xid"。',
    ),
  },
  'gpu.lost': {
    found: say('it no longer answers.', '不再响应。'),
    why: say(
      'It fell off the PCIe bus (Xid 79) or its firmware died: heat, power, seating, or a broken board.',
      'GPU 从 PCIe 总线上掉线（Xid 79）或固件崩溃：过热、供电、插接不良或硬件损坏。',
    ),
    cure: say(
      'Take the node out of service and power-cycle it (a cold start, not only a reboot). If it comes back: check power cables, cooling and seating, then have the board replaced.',
      '将节点下线并断电冷启动（仅重启不够）。若再次出现：检查供电线、散热和插接，然后更换该卡。',
    ),
  },
  'gpu.reset-needed': {
    found: say('it has to be reset.', '需要复位。'),
    why: say(
      'The driver met an error that it cannot clear while the GPU is in use.',
      '驱动遇到了无法在使用中清除的错误。',
    ),
    cure: say(
      'Stop everything on it, then nvidia-smi --gpu-reset -i N (GPUs joined by NVLink all at once); where that is refused, reboot.',
      '停止其上的全部程序，然后执行 nvidia-smi --gpu-reset -i N（NVLink 相连的 GPU 需一起复位）；若被拒绝，请重启。',
    ),
  },
  'gpu.init': {
    found: say('the driver could not start it.', '驱动无法初始化。'),
    why: say('The kernel log says RmInitAdapter failed.', '内核日志显示 RmInitAdapter failed。'),
    cure: say(
      'Power-cycle the node; check that the driver knows this GPU (Blackwell needs the open modules, 570 or newer); else the board is broken.',
      '断电冷启动；确认驱动支持该 GPU（Blackwell 需要 570 以上的开放内核模块）；否则硬件已损坏。',
    ),
  },
  'gpu.none': {
    found: say('The driver runs and finds no usable GPU.', '驱动已运行，但没有找到可用的 GPU。'),
    why: say(
      'The boards failed to start, are not seated, are passed to a VM, or this driver does not support them.',
      'GPU 初始化失败、未插好、已直通给虚拟机，或驱动不支持。',
    ),
    cure: say(
      'Look at: lspci -nnk -d 10de:; dmesg | grep -E "NVRM|Xid". Then power-cycle; Blackwell needs the open modules.',
      '检查：lspci -nnk -d 10de:；dmesg | grep -E "NVRM|Xid"。然后断电冷启动；Blackwell 需要开放内核模块。',
    ),
  },
  'gpu.hung': {
    found: say('nvidia-smi did not come back.', 'nvidia-smi 没有返回。'),
    why: say('A GPU or the driver hangs; more calls would hang too.', 'GPU 或驱动挂起；再次调用也会挂起。'),
    cure: say(
      'Look at dmesg | grep -E "NVRM|Xid|blocked for more"; reboot the node.',
      '查看 dmesg | grep -E "NVRM|Xid|blocked for more"，然后重启节点。',
    ),
  },
  'gpu.inforom': {
    found: say("the board's infoROM is corrupted.", 'infoROM 已损坏。'),
    why: say(
      'The other figures are sound; ECC and power data of the board are not.',
      '其他数据可信，但该卡的 ECC 与功耗数据不可信。',
    ),
    cure: say(
      'Power-cycle once; if the warning stays, have the board replaced (RMA).',
      '断电冷启动一次；若警告仍在，请更换该卡（RMA）。',
    ),
  },
  'gpu.power': {
    found: say("a GPU's power is not right.", 'GPU 供电异常。'),
    cure: say('Switch the node off and seat the power cables of the board.', '关机后重新插好该卡的供电线。'),
  },
  'gpu.interrupt': {
    found: say('The kernel sees a problem with the interrupts of a GPU.', '内核检测到 GPU 的中断问题。'),
    cure: say(
      'Look at dmesg; try another slot, a newer BIOS, or pci=nomsi taken off the kernel line.',
      '查看 dmesg；尝试更换插槽、升级 BIOS，或从内核参数中去掉 pci=nomsi。',
    ),
  },
  'gpu.ecc': {
    found: say('its memory reports errors.', '显存报告错误。'),
    cure: say(
      'Drain it and reset it (nvidia-smi --gpu-reset -i N); if errors come back, run dcgmi diag -r 3 and have the board replaced.',
      '停用后复位（nvidia-smi --gpu-reset -i N）；若错误再次出现，运行 dcgmi diag -r 3 并更换该卡。',
    ),
  },
  'gpu.nvlink': {
    found: say('NVLink reports errors or is down.', 'NVLink 报错或已断开。'),
    cure: say(
      'Check Fabric Manager (systemctl status nvidia-fabricmanager) and its log, reset all GPUs together, then reseat the board or the bridge.',
      '检查 Fabric Manager（systemctl status nvidia-fabricmanager）及其日志，一起复位所有 GPU，然后重新插接 GPU 或桥接器。',
    ),
  },
  'gpu.fabric': {
    found: say('The NVSwitch fabric is not ready.', 'NVSwitch 互联尚未就绪。'),
    why: say(
      'Fabric Manager does not run or is not of exactly the version of the driver, or a link or a switch is broken; CUDA fails with error 802.',
      'Fabric Manager 没有运行，或版本与驱动不完全一致，或者链路、交换芯片有故障；CUDA 会报错误 802。',
    ),
    cure: say(
      'Install the nvidia-fabricmanager of the version of the driver and systemctl enable --now nvidia-fabricmanager (HGX B200/B300: NVLSM and ib_umad too; GB200/GB300: the IMEX service and the switch trays).',
      '安装与驱动同版本的 nvidia-fabricmanager 并执行 systemctl enable --now nvidia-fabricmanager（HGX B200/B300 还需 NVLSM 和 ib_umad；GB200/GB300 请检查 IMEX 服务和交换托盘）。',
    ),
  },
  'gpu.xid': {
    found: say('the kernel log has an error of the hardware (Xid).', '内核日志中有硬件错误（Xid）。'),
    cure: say(
      'Look the number up in docs.nvidia.com/deploy/xid-errors; reset the GPU and watch whether it comes back.',
      '在 docs.nvidia.com/deploy/xid-errors 查询该编号；复位 GPU 并观察是否再次出现。',
    ),
  },
  'gpu.cuda-compat': {
    found: say(
      'The CUDA of the program is newer than this driver can carry.',
      '程序的 CUDA 版本高于当前驱动所支持的版本。',
    ),
    why: say('Forward compatibility works on data-centre boards only.', '向前兼容只适用于数据中心 GPU。'),
    cure: say(
      'Install driver 580 or newer, or take an image with an older CUDA.',
      '安装 580 或更新的驱动，或改用 CUDA 版本较低的镜像。',
    ),
  },
  'gpu.bad-query': {
    found: say('nvidia-smi did not understand what it was asked.', 'nvidia-smi 无法识别该查询。'),
    why: say(
      'One unknown field fails the whole query; fields come and go with the driver.',
      '一个未知字段会使整个查询失败；可用字段随驱动版本变化。',
    ),
    cure: say(
      'Ask nvidia-smi --help-query-gpu which fields this driver has, or record nvidia-smi -q -x.',
      '用 nvidia-smi --help-query-gpu 查看该驱动支持的字段，或改用 nvidia-smi -q -x。',
    ),
  },
};
