/** The repositories of the systems themselves, for a machine that need not run them. */
import { UserError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import { say } from '../say.js';
import type { World } from '../world.js';

/** Systems that a bundle can be made for. */
export const systems: Readonly<Record<string, Omit<Distribution, 'arch'>>> = {
  debian12: { family: 'apt', id: 'debian', version: '12', codename: 'bookworm' },
  debian13: { family: 'apt', id: 'debian', version: '13', codename: 'trixie' },
  'ubuntu22.04': { family: 'apt', id: 'ubuntu', version: '22.04', codename: 'jammy' },
  'ubuntu24.04': { family: 'apt', id: 'ubuntu', version: '24.04', codename: 'noble' },
  'ubuntu26.04': { family: 'apt', id: 'ubuntu', version: '26.04', codename: 'resolute' },
  // And their kin: Rocky, AlmaLinux, CentOS Stream, Oracle Linux.
  rhel9: { family: 'dnf', id: 'rhel', version: '9' },
  rhel10: { family: 'dnf', id: 'rhel', version: '10' },
};

const keyrings = {
  debian: { file: '/usr/share/keyrings/debian-archive-keyring.gpg', package: 'debian-archive-keyring' },
  ubuntu: { file: '/usr/share/keyrings/ubuntu-archive-keyring.gpg', package: 'ubuntu-keyring' },
} as const;

interface Place {
  readonly address: string;
  readonly suites: readonly string[];
  readonly components: string;
}

/** @param base of a mirror that has all of them, by the names that mirrors give their folders */
function placesOf({ id, codename: name, arch }: Distribution, base: string | undefined): readonly Place[] {
  if (id === 'debian') {
    const components = 'main';
    return [
      { address: `${base ?? 'http://deb.debian.org'}/debian`, suites: [`${name}`, `${name}-updates`], components },
      { address: `${base ?? 'http://deb.debian.org'}/debian-security`, suites: [`${name}-security`], components },
    ];
  }
  const address =
    arch === 'amd64'
      ? `${base ?? 'http://archive.ubuntu.com'}/ubuntu`
      : `${base ?? 'http://ports.ubuntu.com'}/ubuntu-ports`;
  return [
    { address, suites: [`${name}`, `${name}-updates`, `${name}-security`], components: 'main universe restricted' },
  ];
}

/**
 * deb822 of apt(5) sources.list; the lists are signed, so a plain address does no harm.
 * @throws UserError `bundle.keyring` where this machine has no key of that system
 */
export async function systemPlaces(
  distribution: Distribution,
  base: string | undefined,
  world: World,
): Promise<string> {
  const keyring = keyrings[distribution.id as 'debian' | 'ubuntu'];
  if (!(await world.files.stat(keyring.file)))
    throw new UserError(
      'bundle.keyring',
      say(
        `This machine has no keys of ${distribution.id}'s packages: ${keyring.file}.`,
        `本机没有 ${distribution.id} 软件包的密钥：${keyring.file}。`,
      ),
      {
        exit: 'unready',
        hint: say(`Install them: apt-get install ${keyring.package}`, `请安装：apt-get install ${keyring.package}`),
      },
    );
  return placesOf(distribution, base)
    .map(({ address, suites, components }) =>
      [
        'Types: deb',
        `URIs: ${address}`,
        `Suites: ${suites.join(' ')}`,
        `Components: ${components}`,
        `Signed-By: ${keyring.file}`,
        '',
      ].join('\n'),
    )
    .join('\n');
}
