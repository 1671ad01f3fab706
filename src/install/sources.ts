/** Where things come from: every address that an install asks, after mirrors, or a bundle in their place. */
import type { Mirrors } from '../config/mirrors.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Distribution } from './distribution.js';
import { driverKeys, fingerprints } from './pins.js';

const repositoryNames = ['docker', 'kubernetes', 'toolkit', 'driver'] as const;
export type RepositoryName = (typeof repositoryNames)[number];

export interface Sources {
  /** Addresses without a slash at the end. */
  readonly packages: Readonly<Record<RepositoryName, string>>;
  /** Of keys that sign a mirror of one's own, in place of the authors'. */
  readonly keys: Readonly<Partial<Record<RepositoryName, string>>>;
  /** Mirrors by the registry they stand for, in the order in which they are asked. */
  readonly registries: Readonly<Record<string, readonly string[]>>;
  /** Of raw files of GitHub. */
  readonly manifests: string;
  /** Of Debian and Ubuntu, asked by `bundle create`; their own where there is none. */
  readonly systems?: string;
  /**
   * A folder on each host that holds all there is need of: packages/ (an apt or dnf repository), images/ (an OCI layout)
   * and images.txt (their names, one a line). Nothing else is asked then, and whoever put it there has checked it.
   */
  readonly bundle?: string;
}

const upstream: Sources = {
  packages: {
    docker: 'https://download.docker.com',
    kubernetes: 'https://pkgs.k8s.io/core:/stable:',
    toolkit: 'https://nvidia.github.io/libnvidia-container',
    driver: 'https://developer.download.nvidia.com/compute/cuda/repos',
  },
  keys: {},
  registries: {},
  manifests: 'https://raw.githubusercontent.com',
};

/** Mirrors in mainland China, as of 2026-11-23; signatures and hashes stay those of the authors. */
const cn: Sources = {
  packages: {
    docker: 'https://mirrors.aliyun.com/docker-ce',
    kubernetes: 'https://mirrors.aliyun.com/kubernetes-new/core/stable',
    // Tsinghua and Aliyun have none of 1.20.
    toolkit: 'https://mirrors.ustc.edu.cn/libnvidia-container',
    driver: 'https://developer.download.nvidia.cn/compute/cuda/repos',
  },
  keys: {},
  registries: {
    'docker.io': ['https://docker.m.daocloud.io'],
    'gcr.io': ['https://gcr.m.daocloud.io'],
    'ghcr.io': ['https://ghcr.m.daocloud.io'],
    'nvcr.io': ['https://nvcr.m.daocloud.io'],
    'quay.io': ['https://quay.m.daocloud.io'],
    'registry.k8s.io': ['https://k8s.m.daocloud.io'],
  },
  manifests: 'https://files.m.daocloud.io/raw.githubusercontent.com',
  systems: 'https://mirrors.aliyun.com',
};

const presets = { none: upstream, cn };

const bare = (address: string): string => address.replace(/\/+$/, '');

const given = <T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never;

/** Of a bundle on a host: apt's own user has to reach it. */
const bundleFolder = '/var/cache/deepseek-deploy/bundle';

/** A bundle in place of every address. */
export const fromBundle = (sources: Sources): Sources => ({
  ...sources,
  registries: {},
  manifests: `file://${bundleFolder}/manifests`,
  bundle: bundleFolder,
});

/** What is said address by address takes the place of the preset's. */
export function sourcesOf(mirrors: Mirrors): Sources {
  if (typeof mirrors === 'string') return presets[mirrors];
  const { preset, registries, manifests, systems, keys } = mirrors;
  const base = presets[preset];
  const packages = Object.fromEntries(
    repositoryNames.map((name) => [name, bare(mirrors[name] ?? base.packages[name])]),
  ) as Sources['packages'];
  const own = Object.fromEntries(Object.entries(registries).map(([name, list]) => [name, list.map(bare)]));
  return {
    packages,
    keys: given(keys),
    registries: { ...base.registries, ...own },
    manifests: bare(manifests ?? base.manifests),
    ...given({ systems: systems === undefined ? base.systems : bare(systems) }),
  };
}

export interface Repository {
  readonly name: RepositoryName | 'bundle';
  readonly address: string;
  /** Of apt: '/' where the address is the whole place. */
  readonly suite: string;
  readonly component?: string;
  /** Without it the repository is trusted for where it lies: a checked bundle on the host's own disk. */
  readonly key?: { readonly address: string; readonly fingerprint: string };
  /** Whether rpm's signatures are on the packages, or on their list (which has their hashes). */
  readonly signed: 'packages' | 'list';
  /** Kept out of upgrades of the whole system. */
  readonly held: readonly string[];
  /** Other files that name one of these places are about the same packages: without its scheme, of any release. */
  readonly kin: readonly string[];
}

type Place = Pick<Repository, 'address' | 'suite' | 'component'> & {
  /** What other files call it, below the base. */
  readonly kin: readonly string[];
  readonly key: string;
  readonly fingerprint?: string;
};

const docker = (base: string, { family, id, version, codename }: Distribution): Place =>
  family === 'apt'
    ? {
        address: `${base}/linux/${id}`,
        suite: codename!,
        component: 'stable',
        kin: [`/linux/${id}`],
        key: `${base}/linux/${id}/gpg`,
        fingerprint: fingerprints.dockerDeb,
      }
    : {
        // Mirrors have the packages of CentOS; those are the ones of all its kin.
        address: `${base}/linux/centos/${version}/$basearch/stable`,
        suite: '/',
        kin: ['/linux/centos', '/linux/rhel'],
        key: `${base}/linux/centos/gpg`,
        fingerprint: fingerprints.dockerRpm,
      };

const kubernetes = (base: string, { family }: Distribution, version: string): Place => {
  const minor = /^\d+\.\d+/.exec(version)![0];
  const folder = `${base}/v${minor}/${family === 'apt' ? 'deb' : 'rpm'}`;
  return {
    address: `${folder}/`,
    suite: '/',
    // Of another minor too: an upgrade of the system would take that.
    kin: ['/v1.'],
    key: family === 'apt' ? `${folder}/Release.key` : `${folder}/repodata/repomd.xml.key`,
    fingerprint: fingerprints.kubernetes,
  };
};

const toolkit = (base: string, { family, arch }: Distribution): Place => ({
  address: family === 'apt' ? `${base}/stable/deb/${arch}` : `${base}/stable/rpm/$basearch`,
  suite: '/',
  kin: [family === 'apt' ? '/stable/deb' : '/stable/rpm'],
  key: `${base}/gpgkey`,
  fingerprint: fingerprints.toolkit,
});

function driver(base: string, { id, version, arch }: Distribution): Place {
  const folder = `${base}/${id}${version}/${arch === 'amd64' ? 'x86_64' : 'sbsa'}`;
  const { file, fingerprint } = driverKeys[`${id}${version}`]!;
  return {
    address: folder,
    suite: '/',
    kin: [folder.slice(base.length)],
    key: `${folder}/${file}`,
    ...(fingerprint ? { fingerprint } : {}),
  };
}

const held: Readonly<Record<RepositoryName, readonly string[]>> = {
  docker: ['containerd.io'],
  kubernetes: ['kubelet', 'kubeadm', 'kubectl', 'cri-tools', 'kubernetes-cni'],
  toolkit: [],
  // For dnf: user space that is upgraded under a loaded module answers nobody. (apt holds what was installed.)
  driver: ['*nvidia*', 'cuda-drivers*'],
};

/**
 * One repository as a system of this kind needs it.
 * @param version of Kubernetes: each minor has a repository of its own
 * @throws UserError `repositories.key` (unready) where no fingerprint is known
 */
export function repositoryOf(
  name: RepositoryName,
  sources: Sources,
  distribution: Distribution,
  version: string,
): Repository {
  const bundle = sources.bundle;
  if (bundle !== undefined) {
    return {
      name: 'bundle',
      address: `file://${bundle}/packages`,
      suite: './',
      signed: 'packages',
      held: held[name],
      kin: [],
    };
  }
  const places = { docker, kubernetes, toolkit, driver } as const;
  const { key, fingerprint, kin, ...place } = places[name](sources.packages[name], distribution, version);
  const known = sources.keys[name] ?? fingerprint;
  if (known === undefined) throw unknownKey(name, key);
  return {
    name,
    ...place,
    key: { address: key, fingerprint: known },
    signed: name === 'toolkit' ? 'list' : 'packages',
    held: held[name],
    // A mirror's, and the authors' own, which old instructions name.
    kin: [...new Set([sources.packages[name], upstream.packages[name]])].flatMap((base) =>
      kin.map((path) => base.replace(/^[a-z]+:\/\//, '') + path),
    ),
  };
}

const unknownKey = (name: RepositoryName, key: string): UserError =>
  new UserError(
    'repositories.key',
    say(`No fingerprint is known here for the key ${key}.`, `此处没有密钥 ${key} 的指纹。`),
    {
      exit: 'unready',
      hint: say(
        `Compare it with what NVIDIA publishes, then set mirrors.keys.${name}; or install the driver by hand.`,
        `请与 NVIDIA 公布的指纹核对后设置 mirrors.keys.${name}，或手动安装驱动。`,
      ),
    },
  );
