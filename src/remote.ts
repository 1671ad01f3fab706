/** Hosts reached over ssh, as the rest of the program sees them: interfaces only. */
import type { Supply } from './command.js';
import type { Files, Host } from './world.js';

export interface SshAddress {
  /** A name, an IPv4 or IPv6 address, or an alias of the user's own ssh configuration. */
  readonly address: string;
  readonly port?: number;
  readonly user?: string;
  readonly identityFile?: string;
}

export interface SshTarget extends SshAddress {
  readonly name: string;
  /** The host to go through; a chain of them belongs into the user's ssh configuration (ProxyJump). */
  readonly bastion?: SshAddress;
  /** Where sudo asks for a password; it travels on standard input only. */
  readonly sudoPassword?: Supply;
}

export interface SshSettings {
  /** Keys of hosts trusted through us, beside those in the user's own files. */
  readonly knownHosts: string;
  /** What to do about a host nobody has met yet; a changed key is always refused. Default 'refuse'. */
  readonly newKeys?: 'refuse' | 'accept';
  /** Instead of the user's and the system's ssh configuration. */
  readonly configFile?: string;
  /** Seconds until a connection must stand. Default 10. */
  readonly connectTimeoutS?: number;
  /** Seconds a connection stays open after its last command. Default 60. */
  readonly persistS?: number;
}

export interface HostKey {
  /** A line for a known_hosts file. */
  readonly line: string;
  /** `ssh-ed25519` and the like. */
  readonly type: string;
  /** As ssh prints it: `SHA256:…`. */
  readonly fingerprint: string;
}

export interface SshHost extends Host {
  readonly target: SshTarget;
  /** Its files, as root: directly or through sudo. */
  readonly files: Files;
  /** The same host for questions: those asked at the same moment travel together. */
  readonly questions: { readonly host: Host; readonly files: Files };
  /** Opens the connection if there is none. @throws UserError `ssh.*` */
  connect(): Promise<void>;
  /** Ends the connection (after a reboot it is a dead one); the next command opens a new one. */
  disconnect(): Promise<void>;
  /** The key it shows, without trusting it. Goes through its bastion, whose own key must be trusted. */
  presentedKey(): Promise<HostKey>;
  /** Adds the key to our own list of known hosts. */
  trust(key: HostKey): Promise<void>;
  /** The bastion before it, where there is one. */
  readonly bastion: SshHost | undefined;
}

export interface Ssh {
  /** @throws UserError `ssh.address` for an address, user or port that is none. */
  host(target: SshTarget): SshHost;
  /** Ends all connections and removes their sockets. */
  close(): Promise<void>;
}
