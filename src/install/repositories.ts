/** A package repository on a host: its key, checked by fingerprint, and the file that names it. */
import type { Command } from '../command.js';
import type { Distribution } from './distribution.js';
import { onlyOf, ours, repositoryId, type Via } from './packages.js';
import type { Env } from './proxy.js';
import type { Repository } from './sources.js';

const head = '# Written by deepseek-deploy; `deepseek-deploy reset` removes it.\n';

export const keyFile = (repository: Repository, { family }: Distribution): string =>
  family === 'apt'
    ? `/etc/apt/keyrings/${repositoryId(repository)}.asc`
    : `/etc/pki/rpm-gpg/RPM-GPG-KEY-${repositoryId(repository)}`;

export const sourceFile = (repository: Repository, { family }: Distribution): string =>
  family === 'apt'
    ? `/etc/apt/sources.list.d/${repositoryId(repository)}.sources`
    : `/etc/yum.repos.d/${repositoryId(repository)}.repo`;

/** What the file says: deb822 of apt(5) sources.list, or a section of dnf.conf(5). */
export function sourceText(repository: Repository, distribution: Distribution): string {
  const { address, suite, component, key, signed, held } = repository;
  const file = keyFile(repository, distribution);
  const lines =
    distribution.family === 'apt'
      ? [
          'Types: deb',
          `URIs: ${address}`,
          `Suites: ${suite}`,
          ...(component ? [`Components: ${component}`] : []),
          `Architectures: ${distribution.arch}`,
          key ? `Signed-By: ${file}` : 'Trusted: yes',
        ]
      : [
          `[${repositoryId(repository)}]`,
          `name=${repositoryId(repository)}`,
          `baseurl=${address}`,
          'enabled=1',
          `gpgcheck=${key && signed === 'packages' ? 1 : 0}`,
          // A signed list has the hashes of its packages.
          `repo_gpgcheck=${key && signed === 'list' ? 1 : 0}`,
          ...(key ? [`gpgkey=file://${file}`] : []),
          ...(held.length > 0 ? [`exclude=${held.join(' ')}`] : []),
          // Another bundle may lie there tomorrow.
          ...(key ? [] : ['metadata_expire=1']),
        ];
  return `${head}${lines.join('\n')}\n`;
}

// Of each primary key in the file: one that nobody pinned would be trusted as well.
const fingerprints = `gpg --batch --show-keys --with-colons "$1" | awk -F: '$1=="pub"{p=1} $1=="fpr"&&p{print $10;p=0}'`;

/** Prints the fingerprints of the primary keys of a file, one a line. */
export const fingerprintsScript = `[ ! -e "$1" ] || ${fingerprints}`;

// $1: the place; $2: the address; $3: the fingerprint.
export const fetchKeyScript = `set -eu
t=$(mktemp); trap 'rm -f "$t"' EXIT; trap 'exit 130' HUP INT TERM
curl -fsSL --retry 3 --connect-timeout 20 -o "$t" -- "$2" || exit 75
is=$(set -- "$t"; ${fingerprints})
[ "$is" = "$3" ] || { echo "$is"; exit 76; }
grep -q '^-----BEGIN PGP PUBLIC KEY BLOCK' "$t" || { echo "$is, not in ASCII armour"; exit 76; }
mkdir -p "\${1%/*}"
install -m 644 "$t" "$1"`;

/** Status 75: the key could not be fetched; 76: it is another key than the pinned one, whose fingerprint is printed. */
export const fetchKey = (repository: Repository, distribution: Distribution, env: Env = {}): Command => ({
  argv: [
    'sh',
    '-c',
    fetchKeyScript,
    'key',
    keyFile(repository, distribution),
    repository.key!.address,
    repository.key!.fingerprint,
  ],
  sudo: true,
  env: { ...env, LC_ALL: 'C.UTF-8' },
  timeoutMs: 120_000,
});

/**
 * Old instructions leave files behind that name the same repository: with another key, which apt refuses outright, or
 * without what is kept out of upgrades, which dnf then takes from there. $1: the folder; $2: our file; then what they name.
 */
export const setAsideScript = `set -eu
[ -d "$1" ] || exit 0
folder=$1 ours=$2; shift 2
for file in "$folder"/*; do
  case $file in *.list|*.sources|*.repo) ;; *) continue ;; esac
  [ "$file" != "$ours" ] || continue
  for name; do
    grep -qF -- "$name" "$file" || continue
    mv -- "$file" "$file.before-deepseek-deploy"; break
  done
done`;

export function setAside(repository: Repository, distribution: Distribution): Command {
  const file = sourceFile(repository, distribution);
  const folder = file.slice(0, file.lastIndexOf('/'));
  return { argv: ['sh', '-c', setAsideScript, 'set-aside', folder, file, ...repository.kin], sudo: true };
}

// $1: the folder.
const bringBackScript = `for file in "$1"/*.before-deepseek-deploy; do
  [ ! -e "$file" ] || mv -- "$file" "\${file%.before-deepseek-deploy}"
done`;

export const bringBack = ({ family }: Distribution): Command => ({
  argv: ['sh', '-c', bringBackScript, 'bring-back', family === 'apt' ? '/etc/apt/sources.list.d' : '/etc/yum.repos.d'],
  sudo: true,
});

/** Primary keys that dnf took into rpm's database because of us, by fingerprint, one a line. */
const madeKeys = `${ours}/keys`;

// $1: a fingerprint. Prints its entry in rpm's database.
const entries = `entry() {
  rpm -q gpg-pubkey --qf '%{VERSION} %{NAME}-%{VERSION}-%{RELEASE}\\n' | while read -r id name; do
    case $(echo "$1" | tr A-F a-f) in *"$id") echo "$name" ;; esac
  done
}`;

// $1: the record; then fingerprints. What the system trusted before us it goes on trusting.
const noteKeysScript = `set -eu
${entries}
mkdir -p -m 700 "\${1%/*}"; record=$1; shift
for key; do [ -n "$(entry "$key")" ] || grep -qsx "$key" "$record" || echo "$key" >>"$record"; done`;

// $1: the record.
const forgetKeysScript = `[ -e "$1" ] || exit 0
${entries}
while read -r key; do for name in $(entry "$key"); do rpm -e "$name"; done; done <"$1"
rm -f -- "$1"`;

// What dnf keeps of the lists of repositories that are no more.
const forgetListsScript = 'rm -rf -- /var/cache/dnf/deepseek-deploy-*';

/** Before dnf is asked for the first time: it takes in the keys of the files it reads. Nothing to do for apt. */
export function noteKeys(repositories: readonly Repository[], { family }: Distribution): readonly Command[] {
  const keys = repositories.flatMap(({ key }) => (key ? [key.fingerprint] : []));
  if (family === 'apt') return [];
  return [{ argv: ['sh', '-c', noteKeysScript, 'note-keys', madeKeys, ...keys], sudo: true }];
}

/** Of repositories that were taken away: what dnf and rpm still know of them. */
export const forget = ({ family }: Distribution): readonly Command[] =>
  family === 'apt'
    ? []
    : [
        { argv: ['sh', '-c', forgetKeysScript, 'forget-keys', madeKeys], sudo: true },
        { argv: ['sh', '-c', forgetListsScript], sudo: true },
      ];

/** Reads the lists of what there is anew; of a bundle alone, where it is one. */
export function refresh(distribution: Distribution, { from, env }: Via = {}): Command {
  const only = onlyOf(distribution, from).split(' ').filter(Boolean);
  return {
    argv:
      distribution.family === 'apt'
        ? ['apt-get', ...only, 'update', '-o', 'DPkg::Lock::Timeout=600']
        : ['dnf', ...only, 'makecache', '-y'],
    sudo: true,
    env: { ...env, LC_ALL: 'C.UTF-8' },
    timeoutMs: 600_000,
  };
}
