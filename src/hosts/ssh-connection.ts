/** One shared connection to a host (OpenSSH's ControlMaster): opened once, used by every command, closed with us. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { quote } from '../command.js';
import type { SshAddress, SshSettings, SshTarget } from '../remote.js';
import { sshFailure, sshMissing } from './ssh-failure.js';
import { addressWords, checkAddress, optionWords } from './ssh-target.js';

/** Targets with the same key share a connection: two masters for one socket would leave one of them behind for good. */
export const connectionKey = ({ bastion, ...last }: Omit<SshTarget, 'name' | 'sudoPassword'>): string => {
  const words = (at: SshAddress | undefined) => at && [at.address, at.port, at.user, at.identityFile];
  return JSON.stringify([words(last), words(bastion)]);
};

/** A server with many newcomers drops some of them (MaxStartups): tried again after these pauses, ms. */
const pauses = [300, 1000, 2500];

export class Connection {
  #open: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #words: string[] | undefined;
  readonly #file: string;

  /** @param folder a short path of ours alone (0700): the socket's name must stay under 104 characters */
  constructor(
    readonly target: SshTarget,
    readonly settings: SshSettings,
    readonly folder: string,
    readonly env: NodeJS.ProcessEnv,
    readonly via: Connection | undefined,
  ) {
    checkAddress(target);
    this.#file = `${folder}/${createHash('sha256').update(connectionKey(target)).digest('hex').slice(0, 16)}`;
  }

  /** @throws UserError `ssh.*` when no connection comes about. */
  connect(): Promise<void> {
    this.#open ??= this.#connect().catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    });
    return this.#open;
  }

  /** The words of a command line that goes through this connection, up to and with the address. */
  async words(): Promise<string[]> {
    await this.connect();
    return [...(await this.#options()), '-S', this.#file, '-o', 'ControlMaster=no', '-T', '--', this.target.address];
  }

  /** Options and address for a connection of its own. */
  async freshWords(options: Readonly<Record<string, string>>): Promise<string[]> {
    await this.via?.connect();
    const first = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return [...first, ...(await this.#options()), '-o', 'ControlMaster=no', '-o', 'ControlPath=none', '-T'];
  }

  /** Ends the shared connection; the next command opens a new one. */
  close(): Promise<void> {
    const opened = this.#open;
    this.#open = undefined;
    if (opened) this.#closing = this.#close(opened);
    return this.#closing ?? Promise.resolve();
  }

  async #close(opened: Promise<void>): Promise<void> {
    await opened.catch(() => {});
    const config = this.settings.configFile === undefined ? [] : ['-F', this.settings.configFile];
    await run([...config, '-S', this.#file, '-O', 'exit', '--', this.target.address], this.env).catch(() => {});
    await rm(this.#file, { force: true });
  }

  async #connect(): Promise<void> {
    await this.#closing;
    await this.via?.connect();
    for (const pause of [...pauses, undefined]) {
      const said = await this.#master();
      if (said === undefined) return;
      const error = sshFailure(this.target, said);
      if (error.id !== 'ssh.closed' || pause === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Undefined when it stands, else what ssh wrote. */
  async #master(): Promise<string | undefined> {
    const { persistS = 60 } = this.settings;
    const log = `${this.#file}.log`;
    const words = [
      ...(await this.#options()),
      ...['-M', '-S', this.#file, '-o', `ControlPersist=${persistS}`, '-f', '-N', '-E', log],
      ...['--', this.target.address],
    ];
    await rm(log, { force: true });
    const code = await new Promise<number | null>((resolve, reject) => {
      // -f leaves the terminal's session once we are in. No pipes: the master would hold them open.
      const child = spawn('ssh', words, { stdio: 'ignore', detached: true, env: this.env });
      child.once('error', (error) => reject(sshMissing(error)));
      child.once('exit', resolve);
    });
    if (code === 0) return undefined;
    return (await readFile(log, 'utf8').catch(() => '')) || `ssh ended with status ${code}`;
  }

  async #options(): Promise<string[]> {
    this.#words ??= [
      ...optionWords(this.settings, await this.#globalKnownHosts()),
      ...addressWords(this.target),
      ...(this.via ? ['-o', `ProxyCommand=${await this.via.#proxyCommand()}`] : []),
    ];
    return this.#words;
  }

  /** A command line for the user's shell (ssh puts `exec` before it), in which ssh itself replaces %h and %p (and %% by %). */
  async #proxyCommand(): Promise<string> {
    const words = [...(await this.#options()), '-S', this.#file, '-o', 'ControlMaster=no'];
    const quoted = ['ssh', ...words].map((word) => quote(word).replaceAll('%', '%%'));
    return `${quoted.join(' ')} -W '[%h]:%p' -- ${quote(this.target.address).replaceAll('%', '%%')}`;
  }

  /** Our own file is added to the list that the user's configuration holds; their other list stays as it is. */
  async #globalKnownHosts(): Promise<string[]> {
    const config = this.settings.configFile === undefined ? [] : ['-F', this.settings.configFile];
    const shown = await run([...config, '-G', '--', this.target.address], this.env).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw sshMissing(error);
      throw sshFailure(this.target, String((error as { stderr?: string }).stderr ?? error));
    });
    const line = /^globalknownhostsfile (.+)$/m.exec(shown)?.[1];
    return line === undefined || line === 'none' ? [] : line.split(' ');
  }
}

const run = (words: readonly string[], env: NodeJS.ProcessEnv): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile('ssh', [...words], { env, timeout: 10_000 }, (error, stdout, stderr) =>
      error ? reject(Object.assign(error, { stderr })) : resolve(stdout),
    ),
  );
