/** Installing nginx with its Lua module from the distribution, without a web server of its own coming up. */
import type { Command } from '../command.js';

export type PackageManager = 'apt-get' | 'dnf';

/**
 * Debian and Ubuntu start and enable what they install. policy-rc.d answers 101 ("not allowed") while we install, and
 * what was not there before is disabled after; an nginx that ran before goes on as it was.
 */
const apt = `
had=0; [ -x /usr/sbin/nginx ] && had=1
guard=/usr/sbin/policy-rc.d; made=0
[ -e $guard ] || { printf '#!/bin/sh\\nexit 101\\n' > $guard; chmod 755 $guard; made=1; }
trap '[ $made = 0 ] || rm -f $guard' EXIT
trap 'exit 130' INT TERM
export DEBIAN_FRONTEND=noninteractive
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)" ] || apt-get update
apt-get install -y --no-install-recommends nginx libnginx-mod-http-lua lua-cjson
if [ $had = 0 ] && command -v systemctl >/dev/null 2>&1; then systemctl disable nginx.service >/dev/null 2>&1 || true; fi
`;

/** Fedora and RHEL carry no Lua module for nginx; OpenResty's own repository does, and dnf starts nothing by itself. */
const dnf = `
. /etc/os-release
case "$ID" in
  fedora) base=fedora ;;
  amzn) base=amazon ;;
  rhel) base=rhel ;;
  rocky) base=rocky ;;
  *) base=centos ;;
esac
curl -fsSL "https://openresty.org/package/$base/openresty.repo" -o /etc/yum.repos.d/openresty.repo
dnf install -y openresty
`;

/** As root. Leaves no nginx running or enabled that was not there before. */
export const nginxInstall = (manager: PackageManager): readonly Command[] => [
  { argv: ['sh', '-euc', manager === 'apt-get' ? apt : dnf], sudo: true, timeoutMs: 600_000 },
];

/** The same, for a person to type. */
export const nginxInstallLine = (manager: PackageManager): string =>
  manager === 'apt-get'
    ? 'apt-get install -y --no-install-recommends nginx libnginx-mod-http-lua lua-cjson'
    : 'dnf install -y openresty   # from https://openresty.org/en/linux-packages.html';
