/** GPUs of a test host: an nvidia-smi that plays a recording; boards on a bus; packages of a driver that is played. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import type { Host } from '../../src/world.js';

const recording = `${import.meta.dirname}/../recordings/q-x-h200-x2.xml`;

const play = (xml: string, before = ''): string => `#!/bin/sh
${before}case "$*" in
  '-q -x') cat ${xml} ;;
  -L) echo 'GPU 0: NVIDIA H200 (UUID: GPU-0)'; echo 'GPU 1: NVIDIA H200 (UUID: GPU-1)' ;;
  *) exit 2 ;;
esac
`;

/** Two H200 with a driver that answers. */
export async function giveGpus(host: Host): Promise<void> {
  const xml = '/usr/local/share/nvidia-smi.xml';
  await host.put(xml, readFileSync(recording, 'utf8'), { mode: 0o644, sudo: true });
  await host.put('/usr/local/bin/nvidia-smi', play(xml), { mode: 0o755, sudo: true });
}

// sysfs takes no new entries: another folder lies over that of the bus, from each boot on.
const boards = `#!/bin/sh -e
mount -t tmpfs tmpfs /sys/bus/pci/devices
for bus in ${[...readFileSync(recording, 'utf8').matchAll(/<gpu id="0000([^"]+)"/g)].map(([, id]) => id!.toLowerCase()).join(' ')}; do
  mkdir "/sys/bus/pci/devices/$bus"
  cd "/sys/bus/pci/devices/$bus"
  echo 0x10de >vendor; echo 0x2335 >device; echo 0x030200 >class
  ln -s /sys/bus/pci/drivers/nouveau driver
done
`;

const unit = (program: string, wants: string, more = ''): string => `[Unit]
${more}
[Service]
ExecStart=${program}
[Install]
WantedBy=${wants}
`;

/** Two H200 on the bus, which nouveau holds. */
export async function giveBoards(host: Host): Promise<void> {
  await host.put('/usr/local/sbin/test-host-boards', boards, { mode: 0o755, sudo: true });
  const early = unit('/usr/local/sbin/test-host-boards', 'sysinit.target', 'DefaultDependencies=no');
  await host.put(
    '/etc/systemd/system/test-host-boards.service',
    early.replace('[Service]', '[Service]\nType=oneshot'),
    {
      mode: 0o644,
      sudo: true,
    },
  );
  const { code, stderr } = await host.run({
    argv: ['sh', '-c', 'systemctl daemon-reload && systemctl enable -q --now test-host-boards'],
    sudo: true,
  });
  if (code !== 0) throw new Error(stderr);
}

/** Where what is played is kept: kernels that DKMS built for, and what the initial RAM disk has of modprobe.d. */
const [built, initrd] = ['/var/lib/played-dkms', '/var/lib/played-initrd'];

/** As it is when the compiler fails; `touch` it, and take it away. */
export const brokenCompiler = '/etc/played-broken-compiler';
/** As it is when DKMS skips a kernel at the installation; `touch` it. */
export const lazyDkms = '/etc/played-lazy-dkms';

const dkms = `#!/bin/sh
case $1 in
  status)
    [ -n "$(ls ${built} 2>/dev/null)" ] || echo 'nvidia/580.95.05: added'
    for kernel in $(ls ${built} 2>/dev/null); do echo "nvidia/580.95.05, $kernel, x86_64: installed"; done ;;
  autoinstall)
    [ -d "/usr/src/linux-headers-$3" ] || { echo "Error! Your kernel headers for kernel $3 cannot be found." >&2; exit 1; }
    [ ! -e ${brokenCompiler} ] || { echo "Error! Bad return status for module build on kernel: $3 (x86_64)" >&2; exit 10; }
    mkdir -p "${built}/$3" ;;
esac
`;

// Nouveau has the boards unless the initial RAM disk keeps it out; the driver takes its time.
const load = `#!/bin/sh
grep -qs '^blacklist nouveau' ${initrd}/* || exit 0
[ -d "${built}/$(uname -r)" ] || exit 0
sleep 6
for board in /sys/bus/pci/devices/*; do ln -sfn /sys/bus/pci/drivers/nvidia "$board/driver"; done
touch /run/played-nvidia
`;
const silent = `[ -e /run/played-nvidia ] || {
  echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver." >&2; exit 9
}
`;

interface Deb {
  readonly name: string;
  readonly depends?: string;
  /** Executable below /usr/bin, /usr/sbin and /usr/libexec. */
  readonly files?: Readonly<Record<string, string>>;
  readonly postinst?: string;
}

function pack(into: string, { name, depends, files = {}, postinst }: Deb): void {
  const root = mkdtempSync(`${tmpdir()}/dd-deb-`);
  chmodSync(root, 0o755);
  const fields = [
    `Package: ${name}`,
    'Version: 580.95.05-1',
    'Architecture: amd64',
    'Maintainer: test <test@localhost>',
  ];
  const control = [...fields, ...(depends ? [`Depends: ${depends}`] : []), 'Description: played', ''].join('\n');
  const all = { ...files, 'DEBIAN/control': control, ...(postinst ? { 'DEBIAN/postinst': postinst } : {}) };
  for (const [path, content] of Object.entries(all)) {
    mkdirSync(dirname(`${root}/${path}`), { recursive: true });
    const runs = /bin\/|libexec|postinst/.test(path);
    writeFileSync(`${root}/${path}`, content, { mode: runs ? 0o755 : 0o644 });
  }
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', root, `${into}/${name}.deb`], { stdio: 'pipe' });
  rmSync(root, { recursive: true });
}

/**
 * A folder with a driver's packages, by the names that NVIDIA's repository for Debian has: its nvidia-smi answers once the
 * module was built for the kernel, nouveau is kept out of the initial RAM disk, and the host has started anew.
 */
export function driverPackages(kernel: string): string {
  const into = mkdtempSync(`${tmpdir()}/dd-driver-`);
  const xml = 'usr/share/nvidia/smi.xml';
  pack(into, { name: 'nvidia-driver-pinning-580' });
  pack(into, { name: `linux-headers-${kernel}`, files: { [`usr/src/linux-headers-${kernel}/Makefile`]: '' } });
  pack(into, {
    name: 'nvidia-kernel-open-dkms',
    files: {
      'usr/sbin/dkms': dkms,
      'usr/sbin/update-initramfs': `#!/bin/sh\nrm -rf ${initrd}; cp -a /etc/modprobe.d ${initrd}\n`,
      'usr/libexec/played-nvidia': load,
      'usr/lib/systemd/system/played-nvidia.service': unit('/usr/libexec/played-nvidia', 'multi-user.target'),
    },
    postinst: `#!/bin/sh
systemctl enable -q played-nvidia
[ -e ${lazyDkms} ] || dkms autoinstall -k "$(uname -r)" || echo 'Module build for this kernel was skipped.'
`,
  });
  pack(into, {
    name: 'nvidia-driver-cuda',
    files: {
      'usr/bin/nvidia-smi': play(`/${xml}`, silent),
      [xml]: readFileSync(recording, 'utf8'),
      'usr/lib/systemd/system/nvidia-persistenced.service': unit('/bin/sleep infinity', 'multi-user.target'),
    },
  });
  pack(into, { name: 'nvidia-open', depends: 'nvidia-kernel-open-dkms, nvidia-driver-cuda' });
  return into;
}
