/**
 * Packages with all that they depend on, chosen by dnf itself: as if for an empty machine, so that what this one has does
 * not matter and the barest host is served. They come from this machine's own repositories, for RHEL's are open to
 * subscribed machines alone: it has to run the hosts' system.
 */
import { UserError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import { type Package, repositoryId } from '../install/packages.js';
import { fetchKeyScript, keyFile, sourceText } from '../install/repositories.js';
import type { Repository } from '../install/sources.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import type { Result, World } from '../world.js';
import type { Contents, Note } from './contents.js';
import { systemHere } from './here.js';
import { type BundleSystem, packagesFolder, systemId } from './manifest.js';

const failed = ({ version }: Distribution, what: string): UserError =>
  new UserError(
    'bundle.packages',
    say(`The packages of RHEL ${version} could not be found:\n${what}`, `无法取得 RHEL ${version} 的软件包：\n${what}`),
    {
      exit: 'network',
      hint: say(
        'Check the network of this machine, its proxy, its subscription and the section mirrors; dnf is run as root.',
        '请检查本机网络、代理、订阅以及 mirrors 配置；dnf 以 root 身份运行。',
      ),
    },
  );

/** @throws UserError `bundle.system`, exit 'unready' */
async function refuseOthers({ version }: Distribution, world: World): Promise<void> {
  const here = await systemHere(world);
  if (here?.family === 'dnf' && here.version === version) return;
  throw new UserError(
    'bundle.system',
    say(
      `Packages of RHEL ${version} and its kin are collected on a machine that runs it; this one does not.`,
      `RHEL ${version} 及其衍生版的软件包须在运行该系统的机器上收集，而本机不是。`,
    ),
    {
      exit: 'unready',
      hint: say(
        "Run this on a connected machine, or in a container, of the hosts' own system.",
        '请在与目标主机系统相同的联网机器或容器中运行。',
      ),
    },
  );
}

// $1: our folder; $2: the system's platform; then what is asked for. What an earlier run brought whole begins anew, what it
// left half done goes on. Repositories' variables lie in the empty root unless it is said that they do not (dnf 4,
// _read_conf_file). dnf checks the signatures before it leaves the packages there.
const bringScript = `set -eu
umask 022
cd -- "$1"; here=$1 platform=$2; shift 2
[ ! -e complete ] || rm -rf rpms complete
rm -rf empty rpms/repodata
mkdir -p empty rpms
dnf install -y --installroot="$here/empty" --releasever=/ --setopt=module_platform_id="$platform" \\
  --setopt=reposdir=/etc/yum.repos.d,"$here/repos" --setopt=varsdir=/etc/yum/vars,/etc/dnf/vars \\
  --setopt=install_weak_deps=False --disableexcludes=all --downloadonly --downloaddir="$here/rpms" "$@"
rm -rf empty
createrepo_c -q --simple-md-filenames rpms
touch complete`;

// $1: the folder; then paths that are asked for in place of names.
const listScript = `set -eu
cd -- "$1/rpms"; shift
rpm -qp --nosignature --qf 'package %{NAME} %{VERSION}\\n' *.rpm
for path; do
  rpm -qp --nosignature --qf '[%{=VERSION} %{FILENAMES}\\n][%{=VERSION} %{PROVIDENAME}\\n]' *.rpm | awk -v p="$path" '$2 == p && !n++ { print "package", p, $1 }'
done
for file in *.rpm repodata/*; do echo "file $(stat -c %s "$file") $(sha256sum <"$file" | cut -d' ' -f1) $file"; done`;

export interface Listed {
  readonly packages: BundleSystem['packages'];
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
}

export const readListed = (stdout: string): Listed => ({
  packages: [...stdout.matchAll(/^package (\S+) (\S+)$/gm)].map(([, name, version]) => ({
    name: name!,
    version: version!,
  })),
  files: [...stdout.matchAll(/^file (\d+) ([0-9a-f]{64}) (\S+)$/gm)].map(([, bytes, sha256, path]) => ({
    path: path!,
    bytes: Number(bytes),
    sha256: sha256!,
  })),
});

/** What dnf asks for: it takes a part of a version with a star. */
const asked = ({ name, version }: Package): string => (version === undefined ? name : `${name}-${version}`);

/** A dnf of its own below a folder. */
class Dnf {
  constructor(
    readonly root: string,
    readonly distribution: Distribution,
    readonly world: World,
  ) {}

  async #run(script: string, args: readonly string[], sudo: boolean, onLine?: (line: string) => void): Promise<Result> {
    const result = await this.world.host.run(
      {
        argv: ['sh', '-c', script, 'bundle', ...args],
        sudo,
        env: { LC_ALL: 'C.UTF-8' },
        timeoutMs: 3_600_000,
      },
      { signal: this.world.stop, ...(onLine ? { onLine } : {}) },
    );
    this.world.stop.throwIfAborted();
    if (result.code !== 0) throw failed(this.distribution, tail(result));
    return result;
  }

  /** Names a repository beside those of this machine; its key is checked. */
  async add(repository: Repository): Promise<void> {
    const { root, distribution, world } = this;
    const key = `${root}/keys/${repository.name}.asc`;
    const { address, fingerprint } = repository.key!;
    await this.#run(fetchKeyScript, [key, address, fingerprint], false);
    // Under another name than a cluster's hosts have it, in case this is one; nothing is kept out of it.
    const text = sourceText({ ...repository, held: [] }, distribution)
      .replace(keyFile(repository, distribution), key)
      .replaceAll(repositoryId(repository), `bundle-${repository.name}`);
    await world.files.makeDir(`${root}/repos`);
    await world.files.write(`${root}/repos/${repository.name}.repo`, text);
  }

  async bring(packages: readonly Package[], note: Note): Promise<Listed> {
    const { root, distribution } = this;
    const names = [...new Set(packages.map(asked))];
    // `(3/12): socat-1.7.4.1-5.el9.x86_64.rpm   1.2 MB/s | 300 kB  00:00`
    const onLine = (line: string): void => {
      const [, at, of, file] = /^\((\d+)\/(\d+)\): (\S+\.rpm)/.exec(line) ?? [];
      if (file) note(say(`${at}/${of} ${file}`, `${at}/${of} ${file}`));
    };
    await this.#run(bringScript, [root, `platform:el${distribution.version}`, ...names], true, onLine);
    const paths = packages.map(({ name }) => name).filter((name) => name.startsWith('/'));
    return readListed((await this.#run(listScript, [root, ...paths], false)).stdout);
  }
}

/**
 * @param root a folder for it
 * @returns the packages of one system, for the manifest, and where kubeadm's lies; their files are among the contents then
 * @throws UserError `bundle.system`, `bundle.packages`
 */
export async function collectRpms(
  root: string,
  distribution: Distribution,
  repositories: readonly Repository[],
  packages: readonly Package[],
  contents: Contents,
  world: World,
  note: Note,
): Promise<{ readonly system: BundleSystem; readonly kubeadm: string }> {
  await refuseOthers(distribution, world);
  const dnf = new Dnf(root, distribution, world);
  note(say('reading lists', '读取软件包列表'));
  for (const one of repositories) await dnf.add(one);
  const listed = await dnf.bring(packages, note);
  const id = systemId(distribution);
  for (const { path, bytes, sha256 } of listed.files)
    contents.file(packagesFolder(id) + path, `${root}/rpms/${path}`, bytes, sha256);
  const kubeadm = listed.files.find(({ path }) => path.startsWith('kubeadm-'))!;
  return { system: { id, packages: listed.packages }, kubeadm: `${root}/rpms/${kubeadm.path}` };
}
