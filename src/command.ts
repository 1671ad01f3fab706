/** A secret that is fetched when it is first needed and prints as its name, `<join-token>`. */
export interface Supply {
  readonly name: string;
  get(): Promise<string>;
}

/** A command is a value: what the dry run prints is what would run. Secrets go through `stdin` or `env`, never argv. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** Run as root: directly when we are root, else through `sudo -n`. */
  readonly sudo?: boolean;
  readonly stdin?: string | Supply;
  /** Added to the environment the process inherits. */
  readonly env?: Readonly<Record<string, string | Supply>>;
  readonly cwd?: string;
  /** Milliseconds; then SIGTERM, and SIGKILL 5 s later. Default 30 000. */
  readonly timeoutMs?: number;
}

export const isSupply = (value: unknown): value is Supply =>
  typeof value === 'object' && value !== null && 'get' in value && 'name' in value;

const plain = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** POSIX shell quoting that dash and bash read alike. */
export const quote = (word: string): string => (plain.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

const shown = (value: string | Supply): string => (isSupply(value) ? `<${value.name}>` : quote(value));

/** The command as a line to paste into a POSIX shell; secrets appear as their names. */
export function show(command: Command): string {
  const env = Object.entries(command.env ?? {}).map(([name, value]) => `${name}=${shown(value)}`);
  const words = [...env, ...command.argv.map(quote)];
  const line = [...(command.sudo ? ['sudo'] : []), ...words].join(' ');
  const placed = command.cwd === undefined ? line : `cd ${quote(command.cwd)} && ${line}`;
  return command.stdin === undefined
    ? placed
    : `${placed} < ${isSupply(command.stdin) ? shown(command.stdin) : '<stdin>'}`;
}
