/** apt and dnf as two dialects of one description: what is asked, what is installed, what is recorded for `reset`. */
import type { Command } from '../command.js';
import { UserError } from '../errors.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result } from '../world.js';
import type { Distribution } from './distribution.js';
import type { Env } from './proxy.js';
import type { Repository } from './sources.js';

/** What we keep on a host: root's alone. */
export const ours = '/var/lib/deepseek-deploy';
/** The packages that were not there before us, one a line. */
export const madePackages = `${ours}/packages`;

export interface Package {
  readonly name: string;
  /** '2.3.4', or '29.*' for any of a line; left out, what the system has. */
  readonly version?: string;
  /** Of Debian's version numbers. */
  readonly epoch?: string;
}

const noise = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'a', LC_ALL: 'C.UTF-8' };

/** Minutes that an unattended upgrade may hold the lock are waited for; a slow mirror is no failure. */
const minutes = (n: number): number => n * 60_000;

export const aptName = ({ name, version, epoch }: Package): string => {
  if (version === undefined) return name;
  const pattern = version.endsWith('*') ? version : `${version}-*`;
  return `${name}=${epoch === undefined ? '' : `${epoch}:`}${pattern}`;
};

const dnfName = ({ name, version }: Package): string => (version === undefined ? name : `${name}-${version}`);

// What an interrupted install left half done comes first. $1: the record. $2: the names, $3: what apt is asked for,
// $4: the names to hold, $5: options of every call.
export const aptInstall = `set -eu
mkdir -p -m 700 "\${1%/*}"
[ -z "$(dpkg --audit)" ] || dpkg --configure -a --force-confold || apt-get $5 -f install -y -o DPkg::Lock::Timeout=600 || true
for name in $2; do
  [ "$(dpkg-query -W -f '\${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || grep -qxF -- "$name" "$1" 2>/dev/null || echo "$name" >>"$1"
done
get() { apt-get $5 install -y --no-install-recommends --allow-change-held-packages -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold $3; }
get "$@" || { apt-get $5 update -o DPkg::Lock::Timeout=600; get "$@"; }
[ -z "$4" ] || apt-mark hold $4`;

// The same; $4: the repository whose packages are kept out of upgrades. dnf believes its lists for two days: what it does
// not find in them is looked for once more, in new ones. Not --allowerasing: podman would go with the runc whose place
// containerd.io takes.
export const dnfInstall = `set -eu
mkdir -p -m 700 "\${1%/*}"
for name in $2; do rpm -q --quiet --whatprovides "$name" || echo "$name" >>"$1"; done
said=$(mktemp); trap 'rm -f "$said"' EXIT; trap 'exit 130' HUP INT TERM
lists=
until dnf $5 $lists install -y --setopt=install_weak_deps=False \${4:+"--disableexcludes=$4"} $3 2>"$said"; do
  [ -z "$lists" ] && grep -qE 'Unable to find a match|nothing provides|Status code: 404' "$said" || { cat "$said" >&2; exit 1; }
  lists=--refresh
done`;

/** How packages are reached. */
export interface Via {
  /** The repository they come from, where it is one of ours. */
  readonly from?: Repository | undefined;
  /** Of a proxy. */
  readonly env?: Env;
}

export function install(distribution: Distribution, packages: readonly Package[], { from, env }: Via = {}): Command {
  const names = packages.map(({ name }) => name);
  const apt = distribution.family === 'apt';
  const asked = packages.map(apt ? aptName : dnfName);
  const keep = apt ? names.filter((name) => from?.held.includes(name)).join(' ') : from ? repositoryId(from) : '';
  const script = apt ? aptInstall : dnfInstall;
  return {
    argv: [
      'sh',
      '-c',
      script,
      'install',
      madePackages,
      names.join(' '),
      asked.join(' '),
      keep,
      onlyOf(distribution, from),
    ],
    sudo: true,
    env: { ...env, ...noise },
    timeoutMs: minutes(30),
  };
}

// $1: the record; $2: the names. What was there before us stays.
const removeScript = (command: string): string => `set -eu
[ -e "$1" ] || exit 0
ours=
for name in $2; do ! grep -qxF -- "$name" "$1" || ours="$ours $name"; done
[ -n "$ours" ] || exit 0
${command}
for name in $ours; do grep -vxF -- "$name" "$1" >"$1.new" || true; mv -f "$1.new" "$1"; done`;

const purge = 'apt-mark unhold $ours >/dev/null 2>&1 || true; apt-get purge -y -o DPkg::Lock::Timeout=600 $ours';
// What it brought along may serve others by now.
const erase = 'dnf remove -y --noautoremove --disableexcludes=all $ours';

/** Takes away those of the packages that we brought. */
export const remove = ({ family }: Distribution, packages: readonly Package[]): Command => ({
  argv: [
    'sh',
    '-c',
    removeScript(family === 'apt' ? purge : erase),
    'remove',
    madePackages,
    packages.map(({ name }) => name).join(' '),
  ],
  sudo: true,
  env: noise,
  timeoutMs: minutes(15),
});

/** Options by which a bundle's repository alone is asked: no other may be reachable. The lists of others stay. */
export function onlyOf({ family }: Distribution, from: Repository | undefined): string {
  if (from?.name !== 'bundle') return '';
  const id = repositoryId(from);
  return family === 'apt'
    ? `-o Dir::Etc::SourceList=/etc/apt/sources.list.d/${id}.sources -o Dir::Etc::SourceParts=/dev/null -o APT::Get::List-Cleanup=0`
    : `--disablerepo=* --enablerepo=${id}`;
}

export const repositoryId = ({ name }: Pick<Repository, 'name'>): string => `deepseek-deploy-${name}`;

/** Prints `name version` of each that is installed. */
export function installedCommand({ family }: Distribution, names: readonly string[]): Command {
  const argv: Command['argv'] =
    family === 'apt'
      ? ['dpkg-query', '-W', '-f', `\${db:Status-Status} \${Package} \${Version}\\n`, ...names]
      : ['rpm', '-q', '--qf', 'installed %{NAME} %{VERSION}\\n', ...names];
  return { argv, env: { LC_ALL: 'C.UTF-8' } };
}

/** By name; the version without Debian's epoch and revision. */
export function readInstalled(stdout: string): ReadonlyMap<string, string> {
  const found = stdout.split('\n').flatMap((line) => {
    const [, name, version] = /^installed (\S+) (?:\d+:)?(\S+?)(?:-[^-]*)?$/.exec(line) ?? [];
    return name && version ? [[name, version] as const] : [];
  });
  return new Map(found);
}

export const fits = (version: string | undefined, wanted: string | undefined): boolean =>
  version !== undefined &&
  (wanted === undefined || (wanted.endsWith('*') ? version.startsWith(wanted.slice(0, -1)) : version === wanted));

/** Those that are not installed, or in another version. */
export const missing = (packages: readonly Package[], installed: ReadonlyMap<string, string>): readonly Package[] =>
  packages.filter(({ name, version }) => !fits(installed.get(name), version));

const networkSigns =
  /Failed to fetch|Temporary failure resolving|Could not (?:resolve|connect)|Curl error|Cannot download|No more mirrors/i;

/** What a failed installation means for the user. */
export function installFailed(id: string, host: string): (result: Result) => UserError {
  return (result) => {
    const said = tail(result);
    if (networkSigns.test(said)) {
      return new UserError(
        id,
        say(`${host}: packages could not be downloaded:\n${said}`, `${host}：无法下载软件包：\n${said}`),
        {
          exit: 'network',
          hint: say(
            'Check the network of the host, its proxy, and the section mirrors (mirrors: cn in mainland China).',
            '请检查该主机的网络、代理以及 mirrors 配置（中国大陆可用 mirrors: cn）。',
          ),
        },
      );
    }
    if (/Could not get lock|is another process using it/i.test(said)) {
      return new UserError(
        id,
        say(
          `${host}: another package manager held the lock for ten minutes.`,
          `${host}：其他软件包管理器占用锁超过十分钟。`,
        ),
        { hint: say('See who: ps -ef | grep -E "apt|dpkg|dnf"', '查看占用者：ps -ef | grep -E "apt|dpkg|dnf"') },
      );
    }
    const [, inTheWay] = /problem with installed package (\S+)/.exec(said) ?? [];
    if (inTheWay !== undefined) {
      return new UserError(
        id,
        say(`${host}: ${inTheWay} stands in the way:\n${said}`, `${host}：与已安装的 ${inTheWay} 冲突：\n${said}`),
        {
          exit: 'unready',
          hint: say(
            `When nobody needs it there: dnf remove ${inTheWay}. The same command carries on from here.`,
            `若该主机不再需要它：dnf remove ${inTheWay}。再次运行同一命令即可继续。`,
          ),
        },
      );
    }
    return new UserError(
      id,
      say(`${host}: packages could not be installed:\n${said}`, `${host}：无法安装软件包：\n${said}`),
      {
        hint: say(
          'Mend what the package manager says; the same command carries on from here.',
          '请按软件包管理器的提示处理，再次运行同一命令即可继续。',
        ),
      },
    );
  };
}
