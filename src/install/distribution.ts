/** Which of the systems we install on a host is: two families of packages, a handful of releases. */
import { UserError } from '../errors.js';
import type { HostFacts } from '../probes/host.js';
import { say } from '../say.js';

export interface Distribution {
  readonly family: 'apt' | 'dnf';
  /** 'rhel' is also Rocky, AlmaLinux, CentOS Stream and Oracle Linux. */
  readonly id: 'debian' | 'ubuntu' | 'rhel';
  /** '12', '24.04', '9'. */
  readonly version: string;
  /** Of Debian and Ubuntu. */
  readonly codename?: string;
  readonly arch: 'amd64' | 'arm64';
}

const codenames: Readonly<Record<string, string>> = {
  'debian 12': 'bookworm',
  'debian 13': 'trixie',
  'ubuntu 22.04': 'jammy',
  'ubuntu 24.04': 'noble',
  'ubuntu 26.04': 'resolute',
};

const rhelLike = ['rhel', 'rocky', 'almalinux', 'centos', 'ol'];
const arches: Readonly<Record<string, Distribution['arch']>> = { x86_64: 'amd64', aarch64: 'arm64' };

type Facts = Pick<HostFacts, 'os' | 'kernel'>;

/** Undefined for a system that nothing is installed on. */
export function distributionIn({ os, kernel }: Facts): Distribution | undefined {
  const arch = arches[kernel?.arch ?? ''];
  if (!os?.id || !os.version || arch === undefined) return undefined;
  const codename = codenames[`${os.id} ${os.version}`];
  if (codename) return { family: 'apt', id: os.id as 'debian' | 'ubuntu', version: os.version, codename, arch };
  const major = os.version.split('.')[0]!;
  if (rhelLike.includes(os.id) && ['9', '10'].includes(major)) {
    return { family: 'dnf', id: 'rhel', version: major, arch };
  }
  return undefined;
}

/** @throws UserError `host.os` (unready) */
export function distributionOf(name: string, facts: Facts): Distribution {
  const found = distributionIn(facts);
  if (found) return found;
  const here = `${facts.os?.name ?? facts.os?.id ?? '?'}, ${facts.kernel?.arch ?? '?'}`;
  throw new UserError(
    'host.os',
    say(`${name} runs a system that nothing is installed on: ${here}.`, `${name} 的系统不受支持：${here}。`),
    {
      exit: 'unready',
      hint: say(
        'Debian 12 or 13, Ubuntu 22.04, 24.04 or 26.04, RHEL, Rocky, AlmaLinux 9 or 10; x86_64 or aarch64.',
        '支持 Debian 12/13、Ubuntu 22.04/24.04/26.04、RHEL/Rocky/AlmaLinux 9/10，x86_64 或 aarch64。',
      ),
    },
  );
}
