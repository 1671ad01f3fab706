/** Package sources, locks and versions; disks; SELinux; programs. */
import { linesOf, type Question } from './node-sections.js';
import { known } from './values.js';

export interface Source {
  readonly file: string;
  readonly uri: string;
  readonly suite: string;
  readonly signedBy?: string;
}

/** `deb [arch=amd64 signed-by=/a.gpg] https://b suite main` */
function oneLine(file: string, text: string): Source[] {
  const [, options = '', uri, suite] = /^deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(text) ?? [];
  const signedBy = /signed-by=(\S+)/i.exec(options)?.[1];
  return uri === undefined ? [] : [{ file, uri, suite: suite!, ...known({ signedBy }) }];
}

/** The deb822 form: `URIs: …` and `Signed-By: …`, stanzas with an empty line between. */
function stanzas(file: string, lines: readonly string[]): Source[] {
  const fields = (lines: readonly string[]): Record<string, string> =>
    Object.fromEntries(
      lines.flatMap((line) => {
        const [, key, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? [];
        return key === undefined ? [] : [[key.toLowerCase(), value!]];
      }),
    );
  const parts = lines
    .join('\n')
    .split(/\n\s*\n/)
    .map((part) => part.split('\n'));
  return parts.map(fields).flatMap((said) =>
    said.uris === undefined || /^no$/i.test(said.enabled ?? '')
      ? []
      : said.uris.split(/\s+/).map((uri) => ({
          file,
          uri,
          suite: said.suites ?? '',
          ...known({ signedBy: said['signed-by'] || undefined }),
        })),
  );
}

export const sources: Question<Source[]> = {
  shell: `grep -HsvE '^[[:space:]]*#' /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources
grep -HsE '^(baseurl|mirrorlist)' /etc/yum.repos.d/*.repo
exit 0`,
  read({ text }) {
    const byFile = new Map<string, string[]>();
    for (const line of text.split('\n')) {
      const [, file, rest] = /^(\/[^:]+):(.*)$/.exec(line) ?? [];
      if (file !== undefined) byFile.set(file, [...(byFile.get(file) ?? []), rest!]);
    }
    return [...byFile].flatMap(([file, lines]) => {
      if (file.endsWith('.sources')) return stanzas(file, lines);
      if (file.endsWith('.repo'))
        return lines.flatMap((line) => {
          const uri = /^\w+\s*=\s*(\S+)/.exec(line)?.[1];
          return uri === undefined ? [] : [{ file, uri, suite: '' }];
        });
      return lines.flatMap((line) => oneLine(file, line.trim()));
    });
  },
};

export interface Packages {
  readonly installed: Readonly<Record<string, string>>;
  readonly held: readonly string[];
  /** Who holds the lock of the package manager: 'unattended-upgr (812)'. */
  readonly lockedBy?: string;
  /** Packages that dpkg left half done. */
  readonly broken: readonly string[];
  readonly unattended: boolean;
}

export const ofInterest = [
  ...['kubelet', 'kubeadm', 'kubectl', 'cri-tools', 'kubernetes-cni', 'containerd', 'containerd.io', 'docker.io'],
  ...['docker-ce', 'nvidia-container-toolkit', 'nvidia-docker2', 'container-selinux', 'runc'],
];

/** A lock of fcntl stands in /proc/locks under its file's inode: no program of a distribution's is needed to see it. */
const packagesShell = `for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do
  [ -e "$f" ] || continue
  p=$(awk -v i=":$(stat -c %i "$f")$" '$2 != "->" && $6 ~ i { print $5; exit }' /proc/locks)
  [ -n "$p" ] && echo "locked $(cat "/proc/$p/comm") ($p)" && break
done
if command -v dpkg-query >/dev/null; then
  dpkg-query -W -f '\${db:Status-Abbrev} \${Package} \${Version}\\n' ${ofInterest.join(' ')} 2>/dev/null | sed -n 's/^.i */have /p'
  apt-mark showhold | sed 's/^/held /'
  dpkg-query -W -f '\${db:Status-Abbrev} \${Package}\\n' | sed -n 's/^[a-z][UFHWt][^ ]* */broken /p' | head -n 20
elif command -v rpm >/dev/null; then
  rpm -q --qf 'have %{NAME} %{VERSION}-%{RELEASE}\\n' ${ofInterest.join(' ')} | grep '^have '
fi
systemctl is-enabled -q unattended-upgrades && echo unattended
echo asked`;

export const packages: Question<Packages> = {
  shell: packagesShell,
  seconds: 10,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const all = (what: string): string[] =>
      [...text.matchAll(new RegExp(`^${what} (.+)$`, 'gm'))].map(([, rest]) => rest!.trim());
    const [lockedBy] = all('locked');
    return {
      installed: Object.fromEntries(all('have').map((line) => line.split(/\s+/).slice(0, 2) as [string, string])),
      held: all('held'),
      broken: all('broken'),
      unattended: /^unattended$/m.test(text),
      ...known({ lockedBy }),
    };
  },
};

export interface Room {
  readonly path: string;
  readonly totalMiB: number;
  readonly freeMiB: number;
  /** Percent of inodes that are free; absent where the file system counts none. */
  readonly inodesFree?: number;
}

export const rooms: Question<Room[]> = {
  shell: `for p in / /var/lib/containerd /var/lib/docker /var/lib/kubelet /var/lib/etcd /dev/shm; do
  d=$p; while [ ! -e "$d" ]; do d=\${d%/*}; d=\${d:-/}; done
  echo "$p $(df -Pk "$d" | awk 'NR==2{print $2, $4}') $(df -Pi "$d" | awk 'NR==2{print $2, $4}')"
done`,
  read: ({ text }) =>
    [...text.matchAll(/^(\/\S*) (\d+) (\d+)(?: (\d+) (\d+))?/gm)].map(([, path, total, free, inodes, left]) => ({
      path: path!,
      totalMiB: Math.floor(Number(total) / 1024),
      freeMiB: Math.floor(Number(free) / 1024),
      ...known({ inodesFree: Number(inodes) > 0 ? (100 * Number(left)) / Number(inodes) : undefined }),
    })),
};

export interface Leftovers {
  /** Devices that a Ceph cluster of old still claims. */
  readonly ceph: readonly string[];
  readonly rook: boolean;
  readonly dockerSnap: boolean;
}

export const leftovers: Question<Leftovers> = {
  shell: `command -v lsblk >/dev/null && lsblk -rno NAME,FSTYPE | awk '$2 ~ /ceph/ {print "ceph " $1}'
[ -d /var/lib/rook ] && [ -n "$(ls -A /var/lib/rook)" ] && echo rook
[ -d /snap/docker ] && echo snap
echo asked`,
  read: ({ text }) =>
    /^asked$/m.test(text)
      ? {
          ceph: [...text.matchAll(/^ceph (\S+)$/gm)].map(([, name]) => name!),
          rook: /^rook$/m.test(text),
          dockerSnap: /^snap$/m.test(text),
        }
      : undefined,
};

/** 'Enforcing', 'Permissive', 'Disabled', or 'none' where the kernel has none. */
export const selinux: Question<string> = {
  shell: 'if command -v getenforce >/dev/null; then getenforce; else echo none; fi',
  read: ({ text }) => /^(Enforcing|Permissive|Disabled|none)$/m.exec(text)?.[1],
};

export const neededPrograms = ['ip', 'iptables', 'mount', 'nsenter', 'modprobe', 'conntrack', 'socat', 'ethtool', 'tc'];

/** Which of the needed programs are missing. */
export const missingPrograms: Question<string[]> = {
  shell: `for p in ${neededPrograms.join(' ')}; do command -v "$p" >/dev/null || echo "$p"; done; exit 0`,
  read: ({ text, code }) => (code === 0 ? linesOf(text) : undefined),
};
