/**
 * Installing nginx with its Lua module from Debian's and Ubuntu's own packages, without a web server of its own coming
 * up. Elsewhere no repository that the system trusts already has the two: a person decides there.
 */
import type { Command } from '../command.js';
import type { Action } from '../plan/step.js';
import type { Upload } from '../world.js';

export const nginxPackages: readonly string[] = ['nginx', 'libnginx-mod-http-lua', 'lua-cjson'];

const packages = nginxPackages.join(' ');

/**
 * Debian and Ubuntu start and enable what they install. policy-rc.d answers 101 ("not allowed") while we install, and
 * what was not there before is disabled after; an nginx that ran before goes on as it was.
 */
const script = `
had=0; [ -x /usr/sbin/nginx ] && had=1
guard=/usr/sbin/policy-rc.d; made=0
[ -e $guard ] || { printf '#!/bin/sh\\nexit 101\\n' > $guard; chmod 755 $guard; made=1; }
trap '[ $made = 0 ] || rm -f $guard' EXIT
trap 'exit 130' HUP INT TERM
export DEBIAN_FRONTEND=noninteractive
[ -z "\${APT_CONFIG:-}" -a -n "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)" ] || apt-get update
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 ${packages}
if [ $had = 0 ] && command -v systemctl >/dev/null 2>&1; then systemctl disable nginx.service >/dev/null 2>&1 || true; fi
`;

/** As root. Leaves no nginx running or enabled that was not there before. */
export const nginxInstall: Command = { argv: ['sh', '-euc', script], sudo: true, timeoutMs: 1_200_000 };

// Lists of its own, so that none stays; the packages lie where apt's own user need not get to.
const config = (folder: string): string => `Dir::Etc::SourceList "${folder}/bundle.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "${folder}/lists";
APT::Sandbox::User "root";
`;

const source = (folder: string): string => `Types: deb
URIs: file:${encodeURI(folder)}/packages
Suites: ./
Trusted: yes
`;

/**
 * The same from packages that lie in a folder of this machine: nothing else is asked, and the folder is gone afterwards.
 * @param folder absolute; of ours alone
 * @param files `packages/…`: an apt repository, each file's hash checked
 */
export const nginxFromFiles = (
  folder: string,
  files: readonly { readonly path: string; readonly content: Upload }[],
): readonly Action[] => [
  { kind: 'dir', path: folder, mode: 0o700 },
  { kind: 'dir', path: `${folder}/lists`, mode: 0o700 },
  { kind: 'upload', folder, files },
  { kind: 'write', path: `${folder}/bundle.sources`, mode: 0o600, content: source(folder) },
  { kind: 'write', path: `${folder}/apt.conf`, mode: 0o600, content: config(folder) },
  { kind: 'run', command: { ...nginxInstall, env: { APT_CONFIG: `${folder}/apt.conf` } } },
  { kind: 'run', command: { argv: ['rm', '-rf', '--', folder], sudo: true } },
];

/** The same, for a person to type. */
export const nginxInstallLine = `sudo apt-get install -y --no-install-recommends ${packages}`;

/** Where a person finds it for a system that we do not install it on. */
export const nginxElsewhere = 'https://openresty.org/en/linux-packages.html';
