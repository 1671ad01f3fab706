#!/usr/bin/env bash
# Sets up and passes the tests, on a fresh Debian or Ubuntu with Node and npm. As root it installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# Programs (or files) the tests need for real, and the Debian packages they come in.
wanted=(nginx:nginx /usr/lib/nginx/modules/ngx_http_lua_module.so:libnginx-mod-http-lua '/usr/lib/*/lua/5.1/cjson.so:lua-cjson'
  redis-server:redis-server redis-cli:redis-tools curl:curl openssl:openssl ps:procps sshd:openssh-server
  ssh:openssh-client sudo:sudo '/usr/lib/*/faketime/libfaketime.so.1:libfaketime')

# Without root there are no real hosts.
if [ "$(id -u)" = 0 ]; then
  wanted+=(systemd-nspawn:systemd-container debootstrap:debootstrap iptables:iptables ip:iproute2 etcd:etcd-server
    mkfs.ext4:e2fsprogs mkfs.btrfs:btrfs-progs rpmbuild:rpm createrepo_c:createrepo-c
    gcc:gcc pkg-config:pkg-config /usr/include/seccomp.h:libseccomp-dev)
fi

there() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
  esac
}

packages=()
for pair in "${wanted[@]}"; do
  there "${pair%:*}" || packages+=("${pair##*:}")
done

if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "These packages are needed: ${packages[*]}" >&2
    echo "Install them (sudo apt-get install ${packages[*]}), or run this as root." >&2
    exit 3
  fi
  echo "== packages: ${packages[*]}"
  # What a package would start on its own stays down: the tests start their own.
  guard=/usr/sbin/policy-rc.d
  if [ ! -e $guard ]; then
    printf '#!/bin/sh\nexit 101\n' >$guard && chmod 755 $guard
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=600 "${packages[@]}" >/dev/null
  if [ -n "$(trap -p EXIT)" ]; then rm -f $guard && trap - EXIT; fi
fi

echo "== npm ci"
npm ci --no-audit --no-fund
echo "== types and lint"
npm run --silent check
echo "== tests"
npm test --silent
echo "== engines, workers, disks, clocks and names that fail"
npm run test:faults --silent
echo "== Redis, its faults and a cluster of six"
# Six nodes on a shared machine lose sight of one another now and then; a second cluster has to hold.
npm run test:redis --silent || npm run test:redis --silent

# What needs real hosts or a cluster runs where it can: hosts want root and nspawn, a cluster its built parts.
skipped() { printf '\n*** NOT RUN: %s ***\n\n' "$*"; }
echo "== a control plane"
npm run test:kube --silent
if why=$(test/hosts/can); then
  echo "== real hosts, over ssh"
  # All of this in 45 minutes: whoever has longer runs npm run test:hosts.
  HOSTS_SECONDS=$((2280 - SECONDS)) npm run test:hosts --silent
else
  skipped "real hosts, over ssh: $why"
fi
