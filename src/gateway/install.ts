/**
 * Installing nginx with its Lua module from Debian's and Ubuntu's own packages, without a web server of its own coming
 * up. Elsewhere no repository that the system trusts already has the two: a person decides there.
 */
import type { Command } from '../command.js';

const packages = 'nginx libnginx-mod-http-lua lua-cjson';

/**
 * Debian and Ubuntu start and enable what they install. policy-rc.d answers 101 ("not allowed") while we install, and
 * what was not there before is disabled after; an nginx that ran before goes on as it was.
 */
const script = `
had=0; [ -x /usr/sbin/nginx ] && had=1
guard=/usr/sbin/policy-rc.d; made=0
[ -e $guard ] || { printf '#!/bin/sh\\nexit 101\\n' > $guard; chmod 755 $guard; made=1; }
trap '[ $made = 0 ] || rm -f $guard' EXIT
trap 'exit 130' INT TERM
export DEBIAN_FRONTEND=noninteractive
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)" ] || apt-get update
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 ${packages}
if [ $had = 0 ] && command -v systemctl >/dev/null 2>&1; then systemctl disable nginx.service >/dev/null 2>&1 || true; fi
`;

/** As root. Leaves no nginx running or enabled that was not there before. */
export const nginxInstall: Command = { argv: ['sh', '-euc', script], sudo: true, timeoutMs: 1_200_000 };

/** The same, for a person to type. */
export const nginxInstallLine = `sudo apt-get install -y --no-install-recommends ${packages}`;

/** Where a person finds it for a system that we do not install it on. */
export const nginxElsewhere = 'https://openresty.org/en/linux-packages.html';
