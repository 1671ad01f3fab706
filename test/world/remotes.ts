/** Simulated hosts at the other end of ssh: by their addresses, each with a key that may be strange or changed. */
import { UserError } from '../../src/errors.js';
import type { HostKey, Ssh, SshHost, SshSettings, SshTarget } from '../../src/remote.js';
import { say } from '../../src/say.js';
import type { SimulatedHost } from './host.js';

export interface Remote {
  readonly host: SimulatedHost;
  /** Default 'known'. */
  key?: 'known' | 'strange' | 'changed';
  /** Accepts none of our keys. */
  refuses?: boolean;
}

export interface Remotes {
  readonly ssh: (settings: SshSettings) => Promise<Ssh>;
  /** As the last caller asked for it. */
  readonly targets: SshTarget[];
  readonly open: { now: number };
}

const trouble = (id: string, { name }: SshTarget, en: string): UserError =>
  new UserError(id, say(`${name}: ${en}`, `${name}：${en}`), { exit: 'unready' });

/** @param remotes by address */
export function remotes(byAddress: Readonly<Record<string, Remote>>): Remotes {
  const targets: SshTarget[] = [];
  const open = { now: 0 };
  return {
    targets,
    open,
    async ssh(settings) {
      open.now += 1;
      return {
        host(target) {
          targets.push(target);
          return remote(target, byAddress[target.address], settings);
        },
        async close() {
          open.now -= 1;
        },
      };
    },
  };
}

function remote(target: SshTarget, found: Remote | undefined, settings: SshSettings): SshHost {
  const connect = async (): Promise<void> => {
    if (!found) throw trouble('ssh.unreachable', target, 'there is no way to it from here.');
    if (found.host.power === 'off') throw trouble('ssh.timeout', target, 'it does not answer in time.');
    if (found.key === 'changed')
      throw trouble('ssh.host-key-changed', target, 'it shows another host key than before.');
    if (found.key === 'strange' && settings.newKeys !== 'accept')
      throw trouble('ssh.host-key-unknown', target, 'its host key is not known here yet.');
    if (found.refuses) throw trouble('ssh.denied', target, 'it accepts none of our keys.');
  };
  const reached = async <T>(work: (host: SimulatedHost) => Promise<T>): Promise<T> => {
    await connect();
    return work(found!.host);
  };
  const host = found?.host;
  const run: SshHost['run'] = (command, options) => reached((one) => one.run(command, options));
  const self: SshHost = {
    name: target.name,
    target,
    files: host ? host.files : (undefined as never),
    bastion: undefined,
    connect,
    disconnect: async () => {},
    async presentedKey(): Promise<HostKey> {
      const type = 'ssh-ed25519';
      return { line: `${target.address} ${type} AAAA`, type, fingerprint: `SHA256:${target.name}` };
    },
    async trust() {
      found!.key = 'known';
    },
    run,
    get questions() {
      return { host: self, files: self.files };
    },
    start: (command, log) => reached((one) => one.start(command, log)),
    put: (path, content, options) => reached((one) => one.put(path, content, options)),
    read: (path, options) => reached((one) => one.read(path, options)),
  };
  return self;
}
