/**
 * Packages with all that they depend on, chosen by apt itself: in a folder of its own with lists of its own, where
 * nothing counts as installed, so that what this machine has does not matter and the barest host is served.
 */
import type { Command } from '../command.js';
import { UserError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import { aptName, type Package } from '../install/packages.js';
import { fetchKeyScript, keyFile, sourceText } from '../install/repositories.js';
import type { Repository } from '../install/sources.js';
import { tail } from '../plan/step.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { systemPlaces } from './system.js';

export interface Deb {
  /** Where it is fetched from. */
  readonly url: string;
  /** 'socat_1.7.4.4-2_amd64.deb' */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The lines of `apt-get --print-uris`: `'http://…/a_1_amd64.deb' a_1_amd64.deb 123 SHA256:…` */
export function readUris(stdout: string): Deb[] {
  return stdout.split('\n').flatMap((line) => {
    const [, url, file, bytes, sha256] = /^'([^']+)' (\S+\.deb) (\d+) SHA256:([0-9a-f]{64})$/.exec(line) ?? [];
    return url === undefined ? [] : [{ url, file: file!, bytes: Number(bytes), sha256: sha256! }];
  });
}

/** Without the epoch, as in archives: not every apt finds a file with a percent sign in its name. */
export const fileName = ({ file }: Pick<Deb, 'file'>): string => file.replace(/_\d+%3a/, '_');

const field = (stanza: string, name: string): string | undefined =>
  new RegExp(`^${name}: *(.*)$`, 'm').exec(stanza)?.[1];

export interface Listed {
  /** An apt repository's `Packages`, each package beside it. */
  readonly list: string;
  /** Versions without Debian's epoch and revision. */
  readonly packages: readonly { readonly name: string; readonly version: string }[];
}

/**
 * @param shown what `apt-cache show` prints of all of them
 * @throws Error when one of them is not among it
 */
export function listOf(shown: string, debs: readonly Deb[]): Listed {
  const byHash = new Map(
    shown
      .split(/\n\n+/)
      .map((stanza) => [field(stanza, 'SHA256'), stanza.trim()] as const)
      .filter(([hash]) => hash !== undefined),
  );
  const stanzas = debs.map(({ sha256, file }) => {
    const stanza = byHash.get(sha256);
    if (stanza === undefined) throw new Error(`apt-cache says nothing of ${file}`);
    return stanza.replace(/^Filename:.*$/m, `Filename: ./${fileName({ file })}`);
  });
  const packages = stanzas.map((stanza) => ({
    name: field(stanza, 'Package')!,
    version: field(stanza, 'Version')!
      .replace(/^\d+:/, '')
      .replace(/-[^-]*$/, ''),
  }));
  return { list: `${stanzas.join('\n\n')}\n`, packages };
}

/** @param proxies lines of `apt-config dump` that say how this machine reaches the network */
const configText = (root: string, arch: string, proxies: readonly string[]): string => `Dir "${root}/";
Dir::Etc "etc/apt/";
Dir::State "state/";
Dir::State::status "${root}/status";
Dir::Cache "cache/";
Dir::Log "log/";
APT::Architecture "${arch}";
APT::Architectures { "${arch}"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::ForceHash "sha256";
Acquire::Retries "3";
${proxies.join('\n')}
`;

const failed = (system: string, what: string): UserError =>
  new UserError(
    'bundle.packages',
    say(`The packages of ${system} could not be found:\n${what}`, `无法取得 ${system} 的软件包：\n${what}`),
    {
      exit: 'network',
      hint: say(
        'Check the network of this machine, its proxy, and the section mirrors (mirrors: cn in mainland China).',
        '请检查本机网络、代理以及 mirrors 配置（中国大陆可用 mirrors: cn）。',
      ),
    },
  );

// $1: the package; $2: the root.
const preferScript = `dpkg-deb --fsys-tarfile "$1" | tar -xf - -C "$2" --wildcards './etc/apt/preferences.d/*'`;

/** An apt of its own below a folder. */
export class Apt {
  constructor(
    readonly root: string,
    readonly distribution: Distribution,
    readonly world: World,
  ) {}

  get #name(): string {
    return `${this.distribution.id} ${this.distribution.version}`;
  }

  async #run(argv: readonly [string, ...string[]], timeoutMs = 600_000): Promise<string> {
    const command: Command = {
      argv: [...argv],
      env: { LC_ALL: 'C.UTF-8', APT_CONFIG: `${this.root}/apt.conf` },
      timeoutMs,
    };
    const result = await this.world.host.run(command, { signal: this.world.stop });
    if (result.code !== 0) throw failed(this.#name, tail(result));
    return result.stdout;
  }

  /**
   * Names the repositories and reads their lists; their keys are checked.
   * @param base a mirror of the system itself
   */
  async open(repositories: readonly Repository[], base: string | undefined): Promise<void> {
    const { root, world, distribution } = this;
    const { files } = world;
    const folders = ['etc/apt/sources.list.d', 'etc/apt/preferences.d', 'etc/apt/apt.conf.d', 'keys'];
    await files.remove(`${root}/etc`);
    for (const name of [...folders, 'state/lists/partial', 'cache/archives/partial', 'log'])
      await files.makeDir(`${root}/${name}`);
    const { stdout } = await world.host.run({ argv: ['apt-config', 'dump'] });
    const proxies = stdout.split('\n').filter((line) => /^Acquire::\S*(proxy|http::User|auth)/i.test(line));
    await files.write(`${root}/apt.conf`, configText(root, distribution.arch, proxies));
    await files.write(`${root}/status`, '');
    await files.write(`${root}/etc/apt/sources.list.d/system.sources`, await systemPlaces(distribution, base, world));
    for (const repository of repositories) await this.#add(repository);
    await this.#run(['apt-get', 'update', '-q']);
  }

  async #add(repository: Repository): Promise<void> {
    const { root, distribution, world } = this;
    const there = keyFile(repository, distribution);
    const here = `${root}/keys/${repository.name}.asc`;
    const { address, fingerprint } = repository.key!;
    const result = await world.host.run({
      argv: ['sh', '-c', fetchKeyScript, 'key', here, address, fingerprint],
      env: { LC_ALL: 'C.UTF-8' },
      timeoutMs: 120_000,
    });
    if (result.code !== 0) throw failed(this.#name, `${address}: ${tail(result)}`);
    const text = sourceText(repository, distribution).replace(there, here);
    await world.files.write(`${root}/etc/apt/sources.list.d/${repository.name}.sources`, text);
  }

  /**
   * Takes a package's preferences for its own, as a host does that has it installed: a branch is kept to.
   * @param deb where it lies
   */
  async prefer(deb: string): Promise<void> {
    const result = await this.world.host.run({ argv: ['sh', '-c', preferScript, 'prefer', deb, this.root] });
    if (result.code !== 0) throw failed(this.#name, `${deb}: ${tail(result)}`);
  }

  /** The packages and all they need. @throws UserError `bundle.packages` */
  async resolve(packages: readonly Package[]): Promise<Deb[]> {
    const names = [...new Set(packages.map(aptName))];
    const words = ['install', '-y', '-qq', '--print-uris', '--no-install-recommends', ...names];
    const debs = readUris(await this.#run(['apt-get', ...words]));
    if (debs.length === 0) throw failed(this.#name, names.join(' '));
    return debs;
  }

  /** The list of a repository of just these. */
  async list(debs: readonly Deb[]): Promise<Listed> {
    const wanted = debs.map(({ file }) => {
      const [name, version] = decodeURIComponent(file.replace(/\.deb$/, '')).split('_');
      return `${name}=${version}`;
    });
    return listOf(await this.#run(['apt-cache', 'show', ...wanted]), debs);
  }
}

/** Where a deb is on this machine already: a mirror of file://. */
export const localPath = ({ url }: Deb): string | undefined =>
  /^file:/.test(url) ? decodeURIComponent(url.replace(/^file:(\/\/)?/, '')) : undefined;
