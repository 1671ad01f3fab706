/** The systems that are installed on, as their hosts say it. */
import type { Distribution } from '../../src/install/distribution.js';
import type { HostFacts } from '../../src/probes/host.js';

export type Facts = Pick<HostFacts, 'os' | 'kernel'>;

const facts = (id: string, version: string, release: string, arch = 'x86_64'): Facts => ({
  os: { id, version, name: `${id} ${version}` },
  kernel: { name: 'Linux', release, arch },
});

const apt = (id: 'debian' | 'ubuntu', version: string, codename: string, arch: 'amd64' | 'arm64' = 'amd64') =>
  ({ family: 'apt', id, version, codename, arch }) as const;
const dnf = (version: string) => ({ family: 'dnf', id: 'rhel', version, arch: 'amd64' }) as const;

export const systems: readonly (readonly [string, Facts, Distribution])[] = [
  ['debian-12', facts('debian', '12', '6.1.0-40-amd64'), apt('debian', '12', 'bookworm')],
  ['debian-13', facts('debian', '13', '6.12.48+deb13-amd64'), apt('debian', '13', 'trixie')],
  ['ubuntu-22.04', facts('ubuntu', '22.04', '5.15.0-160-generic'), apt('ubuntu', '22.04', 'jammy')],
  ['ubuntu-24.04', facts('ubuntu', '24.04', '6.8.0-88-generic'), apt('ubuntu', '24.04', 'noble')],
  [
    'ubuntu-26.04',
    facts('ubuntu', '26.04', '7.0.0-20-generic', 'aarch64'),
    apt('ubuntu', '26.04', 'resolute', 'arm64'),
  ],
  ['rocky-9', facts('rocky', '9.7', '5.14.0-611.5.1.el9_7.x86_64'), dnf('9')],
  ['rhel-10', facts('rhel', '10.1', '6.12.0-124.8.1.el10_1.x86_64'), dnf('10')],
];
