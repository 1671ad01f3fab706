/** Hosts behind the system's OpenSSH: the user's own configuration, agent, known hosts and hardware keys hold. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Command, isSupply, type Supply } from '../command.js';
import { UserError } from '../errors.js';
import { gate } from '../plan/many.js';
import type { HostKey, Ssh, SshHost, SshSettings, SshTarget } from '../remote.js';
import type { Background, Files, Host, Result, RunOptions } from '../world.js';
import { batched } from './batch.js';
import { presentedKey, trustKey } from './known.js';
import { placed } from './placed.js';
import { remoteFiles } from './remote-files.js';
import { Connection, connectionKey } from './ssh-connection.js';
import { sshFailure, sshLost, sshMissing, sudoFailure } from './ssh-failure.js';
import { bootstrap, killScript, type Marks, marksOf, runScript, startScript } from './ssh-script.js';
import { Broken, type Input, type Job, runJob } from './ssh-session.js';

export type { Ssh, SshHost, SshSettings, SshTarget } from '../remote.js';

const defaultTimeoutMs = 30_000;
/** sshd allows 10 sessions on a connection (MaxSessions); two are left for ending commands. */
const sessionsPerHost = 8;

/** Sockets live in a folder of ours alone; a path of theirs may have 104 characters at most, so it is a short one. */
function socketFolder(env: NodeJS.ProcessEnv): string {
  const runtime = env.XDG_RUNTIME_DIR;
  const places = [
    ...(runtime && runtime.length < 40 ? [runtime] : []),
    ...(tmpdir().length < 40 ? [tmpdir()] : []),
    '/tmp',
  ];
  for (const place of places) {
    try {
      sweep(place);
      return mkdtempSync(`${place}/${prefix(process.pid)}`);
    } catch {
      // Not there or not ours: the next.
    }
  }
  return mkdtempSync(`${tmpdir()}/${prefix(process.pid)}`);
}

const prefix = (pid: number): string => `dd-${pid}-`;

/** What runs that were killed have left; their connections end by themselves. */
function sweep(place: string): void {
  for (const name of readdirSync(place)) {
    const pid = /^dd-(\d+)-\w{6}$/.exec(name)?.[1];
    const ours = statSync(`${place}/${name}`, { throwIfNoEntry: false })?.uid === process.geteuid?.();
    if (pid !== undefined && ours && !isAlive(Number(pid)))
      rmSync(`${place}/${name}`, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export function openSsh(settings: SshSettings, env: NodeJS.ProcessEnv): Ssh {
  const folder = socketFolder(env);
  const quiet = { ...env, LC_ALL: 'C' };
  const connections = new Map<string, Connection>();
  const connection = (target: SshTarget, via?: Connection): Connection => {
    const key = connectionKey(target);
    const made = connections.get(key) ?? new Connection(target, settings, folder, quiet, via);
    connections.set(key, made);
    return made;
  };
  return {
    host(target) {
      const before = target.bastion && { ...target.bastion, name: target.bastion.address };
      const bastion = before && new OverSsh(before, connection(before), settings, undefined);
      return new OverSsh(target, connection(target, bastion?.connection), settings, bastion);
    },
    async close() {
      // Those behind a bastion first.
      for (const made of [...connections.values()].reverse()) await made.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const resolved = async (value: string | Supply): Promise<string> => (isSupply(value) ? value.get() : value);

async function environment(command: Command): Promise<Record<string, string>> {
  const pairs = Object.entries(command.env ?? {}).map(async ([name, value]) => [name, await resolved(value)] as const);
  return Object.fromEntries(await Promise.all(pairs));
}

interface Extra {
  readonly input?: Input | undefined;
  readonly sudo: boolean | undefined;
  readonly timeoutMs: number;
  readonly options?: RunOptions | undefined;
}

class OverSsh implements SshHost {
  readonly name: string;
  readonly put: Host['put'];
  readonly read: Host['read'];
  readonly files: Files;
  readonly questions: SshHost['questions'];
  readonly #turn = gate(sessionsPerHost);
  #trusting: Promise<void> | undefined;

  constructor(
    readonly target: SshTarget,
    readonly connection: Connection,
    readonly settings: SshSettings,
    readonly bastion: OverSsh | undefined,
  ) {
    this.name = target.name;
    const files = placed(this.name, (command, input) => this.#run(command, {}, input));
    this.put = files.put;
    this.read = files.read;
    this.files = remoteFiles(this);
    const together = batched(this);
    this.questions = { host: together, files: remoteFiles(together) };
  }

  run(command: Command, options: RunOptions = {}): Promise<Result> {
    return this.#run(command, options);
  }

  async start(command: Command, log: string): Promise<Background> {
    const env = await environment(command);
    const script = (marks: Marks) => startScript({ argv: command.argv, env, cwd: command.cwd }, log, marks);
    const result = await this.#do(script, { sudo: command.sudo, timeoutMs: defaultTimeoutMs });
    if (result.code !== 0) throw new Error(`${this.name}: ${command.argv[0]} did not start: ${result.stderr.trim()}`);
    return { pid: Number(result.stdout) };
  }

  async connect(): Promise<void> {
    await this.bastion?.connect();
    try {
      await this.connection.connect();
    } catch (error) {
      const unknown = error instanceof UserError && error.id === 'ssh.host-key-unknown';
      if (!unknown || this.settings.newKeys !== 'accept') throw error;
      // Commands that meet the new host at the same time wait for one and the same answer.
      this.#trusting ??= this.presentedKey().then((key) => this.trust(key));
      await this.#trusting;
      await this.connection.connect();
    }
  }

  disconnect(): Promise<void> {
    return this.connection.close();
  }

  presentedKey(): Promise<HostKey> {
    return presentedKey(this.connection);
  }

  trust(key: HostKey): Promise<void> {
    return trustKey(this.settings.knownHosts, key);
  }

  async #run(command: Command, options: RunOptions, given?: Input): Promise<Result> {
    const env = await environment(command);
    const input = given ?? (command.stdin === undefined ? undefined : await resolved(command.stdin));
    const { argv, cwd, sudo, timeoutMs = defaultTimeoutMs } = command;
    const running = { argv, env, cwd, timeoutMs, input: input !== undefined };
    return this.#turn(() => this.#do((marks) => runScript(running, marks), { input, sudo, timeoutMs, options }));
  }

  async #do(script: (marks: Marks) => string, { input, sudo, timeoutMs, options }: Extra): Promise<Result> {
    await this.connect();
    const marks = marksOf(randomBytes(12).toString('hex'));
    const job: Job = {
      marks,
      script: script(marks),
      input,
      timeoutMs,
      onLine: options?.onLine,
      signal: options?.signal,
      end: (group) => this.#end(group, sudo),
      ...(sudo ? { sudo: { password: await this.#password() } } : {}),
    };
    try {
      return await runJob([...(await this.connection.words()), bootstrap], this.connection.env, job);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async #password(): Promise<string> {
    const password = (await this.target.sudoPassword?.get()) ?? '';
    if (/[\n\0]/.test(password)) throw new Error('the sudo password holds a line break');
    return password;
  }

  async #end(group: number, sudo: boolean | undefined): Promise<void> {
    await this.#do((marks) => killScript(group, marks), { sudo, timeoutMs: defaultTimeoutMs });
  }

  #explained(error: unknown): unknown {
    const { target } = this;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return sshMissing(error);
    if (!(error instanceof Broken)) return error;
    if (error.phase === 'sudo') return sudoFailure(target, error.said);
    // The shared connection is of no more use.
    void this.connection.close();
    return error.phase === 'command' ? sshLost(target, error.said) : sshFailure(target, error.said);
  }
}
