/**
 * What is said to a remote shell. Its argv (which every user of that host can list) is always the same: a loop that reads
 * a script from standard input. The script carries the environment and the command; the command's own input follows
 * it. Marks around the output tell the command's status from ssh's own, and its output from what login scripts print.
 */
import { quote } from '../command.js';

export interface Marks {
  /** Root is reached: the rest may be sent. */
  readonly ready: string;
  /** From here on it is the script, not an unread password. */
  readonly script: string;
  readonly begin: string;
  readonly end: string;
}

/** @param nonce fresh for each command: no output can hold it by chance */
export const marksOf = (nonce: string): Marks => ({
  ready: `@dd-ready:${nonce}`,
  script: `@dd-script:${nonce}`,
  begin: `@dd-begin:${nonce}`,
  end: `@dd-end:${nonce}`,
});

// Only the shell's own `read` is sure to take not a byte more than its line from a pipe (POSIX.1-2017, read); what
// follows belongs to the command. Lines come as `|line`; `.` ends them; an input cut short runs nothing.
const loop = `n=$(printf "\\n.");n=\${n%.};s=;while IFS= read -r l;do case $l in .)eval "$s";exit;;esac;s=$s\${l#?}$n;done;exit 255`;

/** The command line for any login shell: one line, no quote inside, nothing csh or fish would read otherwise. */
export const bootstrap = `exec sh -c '${loop}'`;

/** The script as `bootstrap` reads it. @throws Error for a NUL byte, which no argument can hold. */
export function frame(script: string): string {
  if (script.includes('\0')) throw new Error('a command holds a NUL byte');
  return `${script
    .split('\n')
    .map((line) => `|${line}`)
    .join('\n')}\n.\n`;
}

/**
 * Goes on as root and reads the next script there. With a password sudo reads it as the next line of standard input;
 * where sudo wants none, the line is skipped by waiting for the script's mark.
 */
export function rootScript(marks: Marks, password: boolean): string {
  const inner = `echo ${marks.ready};while IFS= read -r l;do case $l in ${marks.script})break;;esac;done;${loop}`;
  const sudo = password ? "sudo -k -S -p ''" : 'sudo -n';
  return [
    `if [ "$(id -u)" -eq 0 ]; then exec sh -c ${quote(inner)}; fi`,
    'LC_ALL=C; export LC_ALL',
    'command -v sudo >/dev/null 2>&1 || { echo "sudo: command not found" >&2; exit 127; }',
    `exec ${sudo} -- sh -c ${quote(inner)}`,
  ].join('\n');
}

const envName = /^[A-Za-z_][A-Za-z0-9_]*$/;

function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries({ LC_ALL: 'C.UTF-8', ...env }).map(([name, value]) => {
    if (!envName.test(name)) throw new Error(`not a variable's name: ${name}`);
    return `export ${name}=${quote(value)}`;
  });
}

const head = (marks: Marks, env: Readonly<Record<string, string>>, cwd: string | undefined): string[] => [
  `end() { printf '\\n%s:%s\\n' ${marks.end} "$1"; printf '\\n%s:%s\\n' ${marks.end} "$1" >&2; exit 0; }`,
  `begin() { echo ${marks.begin}:0; echo ${marks.begin}:0 >&2; }`,
  // A user's PATH lacks the folders of administration on Debian.
  'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export PATH',
  ...environment(env),
  ...(cwd === undefined ? [] : [`cd -- ${quote(cwd)} 2>/dev/null || { begin; echo "no such folder" >&2; end 127; }`]),
];

export interface Running {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** Milliseconds; 0 is no limit. */
  readonly timeoutMs: number;
  /** Whether what follows the script is the command's input. */
  readonly input: boolean;
}

/**
 * Runs the command under coreutils' `timeout`, which leads a process group of its own (its pid is told behind the begin
 * mark) and sends TERM, 5 s later KILL, to all of it.
 */
export function runScript({ argv, env, cwd, timeoutMs, input }: Running, marks: Marks): string {
  const start = `echo "$0:$$"; echo "$0:$$" >&2; exec "$@"`;
  const limited = ['timeout', '-k', '5', (timeoutMs / 1000).toFixed(3), ...argv];
  return [
    ...head(marks, env, cwd),
    `sh -c ${quote(start)} ${marks.begin} ${limited.map(quote).join(' ')}${input ? '' : ' </dev/null'}`,
    'end $?',
  ].join('\n');
}

/** Prints the pid of a process that outlives the connection, in a session of its own. */
export function startScript(command: Omit<Running, 'timeoutMs' | 'input'>, log: string, marks: Marks): string {
  return [
    ...head(marks, command.env, command.cwd),
    'begin',
    `set -- ${command.argv.map(quote).join(' ')}`,
    'command -v "$1" >/dev/null || { echo "$1: not found" >&2; end 127; }',
    'umask 077',
    `( : >>${quote(log)} ) || end 1`,
    `setsid "$@" >>${quote(log)} 2>&1 </dev/null & echo $!`,
    'end 0',
  ].join('\n');
}

/** Ends a process group: TERM, and KILL when something of it is left after 5 s. */
export function killScript(group: number, marks: Marks): string {
  return [
    ...head(marks, {}, undefined),
    'begin',
    `kill -TERM -${group} 2>/dev/null || end 0`,
    `i=0; while [ $i -lt 50 ] && kill -0 -${group} 2>/dev/null; do sleep 0.1; i=$((i+1)); done`,
    `kill -KILL -${group} 2>/dev/null`,
    'end 0',
  ].join('\n');
}
