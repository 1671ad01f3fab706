/** containerd's configuration: what we write, and what is in effect. */
import { at, type Toml } from '../probes/toml-lines.js';
import { versions } from './pins.js';
import { dropIn } from './proxy.js';
import type { Sources } from './sources.js';

export const configFile = '/etc/containerd/config.toml';
export const configFolder = '/etc/containerd/conf.d';
export const certsFolder = '/etc/containerd/certs.d';
export const nvidiaFile = `${configFolder}/99-nvidia.toml`;
export const pauseImage = `registry.k8s.io/pause:${versions.pause}`;

export interface Wish {
  /** false on hosts with control groups of version 1 inside a container, where systemd does not manage them. */
  readonly systemdCgroup: boolean;
  /** A container may not lower the OOM score below its own. */
  readonly keepOomScore: boolean;
}

/**
 * Version 3 is read by all of containerd 2; 4 could not be taken back to 2.2. The packaged file turns CRI off, and
 * `containerd config default` cannot be relied on (containerd#14121): so a small file of our own.
 */
export const configText = ({ systemdCgroup, keepOomScore }: Wish): string => `# Written by deepseek-deploy.
version = 3
disabled_plugins = []
imports = ["${configFolder}/*.toml"]

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${pauseImage}'

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '${certsFolder}'

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = ${keepOomScore}

[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = ${systemdCgroup}
`;

/** The runtime of GPU pods: chosen by a RuntimeClass, so that all others stay with runc. */
export const nvidiaText = (wish: Wish): string => `# Written by deepseek-deploy.
version = 3

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia.options]
  BinaryName = '/usr/bin/nvidia-container-runtime'
  SystemdCgroup = ${wish.systemdCgroup}
`;

/** Docker Hub's registry has another address than its name. */
const server = (registry: string): string => `https://${registry === 'docker.io' ? 'registry-1.docker.io' : registry}`;

/**
 * hosts.toml of a registry: its mirrors first, itself last, so that pulls go on when a mirror is down; digests keep
 * protecting what comes. An address with a path stands for the registry's own root.
 */
export function hostsText(registry: string, mirrors: readonly string[]): string {
  const blocks = mirrors.map((mirror) => {
    const [, origin, path] = /^([a-z]+:\/\/[^/]+)(\/.*)?$/.exec(mirror)!;
    const lines = path
      ? [`[host."${origin}/v2${path}"]`, '  capabilities = ["pull", "resolve"]', '  override_path = true']
      : [`[host."${origin}"]`, '  capabilities = ["pull", "resolve"]'];
    return lines.join('\n');
  });
  return `${[`server = "${server(registry)}"`, ...blocks].join('\n\n')}\n`;
}

/** The files of certs.d: of every registry that has a mirror. */
export const hostsFiles = ({ registries }: Pick<Sources, 'registries'>): readonly { path: string; content: string }[] =>
  Object.entries(registries)
    .filter(([, mirrors]) => mirrors.length > 0)
    .map(([registry, mirrors]) => ({
      path: `${certsFolder}/${registry}/hosts.toml`,
      content: hostsText(registry, mirrors),
    }));

const images = ['plugins', 'io.containerd.cri.v1.images'] as const;
const runtime = ['plugins', 'io.containerd.cri.v1.runtime'] as const;
const runtimes = [...runtime, 'containerd', 'runtimes'] as const;

/** Whether CRI is on, with the right pause image, registries and cgroup driver. @param dump of `containerd config dump` */
export function isConfigured(dump: Toml, wish: Wish): boolean {
  const wanted: readonly (readonly [string, string | boolean])[] = [
    [at(...images, 'pinned_images', 'sandbox'), pauseImage],
    [at(...images, 'registry', 'config_path'), certsFolder],
    [at(...runtime, 'containerd', 'default_runtime_name'), 'runc'],
    [at(...runtimes, 'runc', 'options', 'SystemdCgroup'), wish.systemdCgroup],
    [at(...runtime, 'restrict_oom_score_adj'), wish.keepOomScore],
  ];
  return !/cri/.test(String(dump.get('disabled_plugins') ?? '')) && wanted.every(([key, is]) => dump.get(key) === is);
}

export const hasNvidia = (dump: Toml, wish: Wish): boolean =>
  dump.get(at(...runtimes, 'nvidia', 'options', 'BinaryName')) === '/usr/bin/nvidia-container-runtime' &&
  dump.get(at(...runtimes, 'nvidia', 'options', 'SystemdCgroup')) === wish.systemdCgroup;

/** Prints the effective configuration (with TZ=UTC); status 3 when a file of it is newer than the daemon. */
export const dumpScript = `since=$(systemctl show --timestamp=us -P ActiveEnterTimestamp containerd | cut -d' ' -f2-)
[ "$(systemctl is-active containerd)" = active ] && [ -n "$since" ] || exit 3
[ -z "$(find ${configFile} ${configFolder} ${dropIn('containerd')} -newermt "$since" 2>/dev/null)" ] || exit 3
containerd config dump`;
