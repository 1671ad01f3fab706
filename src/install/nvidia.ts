/** The driver's packages for a system and a card, and the toolkit's. */
import type { HostFacts } from '../probes/host.js';
import type { Distribution } from './distribution.js';
import { type Package, repositoryId } from './packages.js';
import { versions } from './pins.js';

export const nouveauFile = '/etc/modprobe.d/deepseek-deploy-nouveau.conf';
/** The kernel's own driver of these cards holds them fast. */
export const nouveauText = 'blacklist nouveau\noptions nouveau modeset=0\n';

/** NVIDIA's device ids of Turing and newer begin here. */
const firstOpen = 0x1e00;

/** Turing and newer have open modules, Blackwell has no others; Volta and older have the closed ones alone. */
export const flavourOf = ({ pci = [] }: Pick<HostFacts, 'pci'>): 'open' | 'closed' =>
  pci.some(({ kind, id }) => kind === 'gpu' && Number.parseInt(id, 16) < firstOpen) ? 'closed' : 'open';

export interface DriverPlan {
  /** What those scripts install. */
  readonly first: readonly Package[];
  /** Scripts that choose the branch before anything is installed; $1: options of the package manager. */
  readonly before: readonly string[];
  readonly packages: readonly Package[];
}

const branch = versions.driverBranch;

/** Of Debian: preferences of apt that keep to the branch. */
export const pinning = `nvidia-driver-pinning-${branch}`;

/** @param kernel `uname -r`: modules built on the host need its headers */
export function driverPackages(
  { id, version, family }: Distribution,
  facts: Pick<HostFacts, 'pci'>,
  kernel: string,
): DriverPlan {
  const closed = flavourOf(facts) === 'closed';
  const named = (...names: readonly string[]): readonly Package[] => names.map((name) => ({ name }));
  if (id === 'ubuntu') {
    // Prebuilt and signed: they load under Secure Boot too.
    const open = closed ? '' : '-open';
    return {
      first: [],
      before: [],
      packages: named(
        `linux-modules-nvidia-${branch}-server${open}-${kernel}`,
        `nvidia-headless-no-dkms-${branch}-server${open}`,
        `nvidia-utils-${branch}-server`,
      ),
    };
  }
  const driver = closed ? 'cuda-drivers' : 'nvidia-open';
  if (family === 'apt') {
    const pin = `apt-get $1 install -y -o DPkg::Lock::Timeout=600 ${pinning}`;
    return { first: named(pinning), before: [pin], packages: named(`linux-headers-${kernel}`, driver) };
  }
  const headers = [`kernel-devel-${kernel}`, 'kernel-headers', 'gcc', 'make'];
  if (version === '9') {
    const stream = closed ? `${branch}-dkms` : `${branch}-open`;
    // Another stream that was enabled once is not simply replaced.
    const choose = `dnf $1 module reset -y nvidia-driver && dnf $1 module enable -y nvidia-driver:${stream}`;
    return { first: [], before: [choose], packages: named(...headers, driver) };
  }
  // Modules of dnf are gone in RHEL 10.
  const lock = `dnf $1 install -y python3-dnf-plugin-versionlock
dnf $1 --disableexcludes=${repositoryId({ name: 'driver' })} versionlock add '*nvidia*${branch}*'`;
  return { first: named('python3-dnf-plugin-versionlock'), before: [lock], packages: named(...headers, driver) };
}

/** All four of one version: they depend on one another without saying which. */
export const toolkitPackages: readonly Package[] = [
  'nvidia-container-toolkit',
  'nvidia-container-toolkit-base',
  'libnvidia-container-tools',
  'libnvidia-container1',
].map((name) => ({ name, version: versions.toolkit }));
