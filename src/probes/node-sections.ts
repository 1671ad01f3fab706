/**
 * Many small questions in one command: a script prints each answer between two marks. An answer without its end mark
 * (the script was stopped, the recording was cut) is no answer, so that nothing is claimed of half of it.
 */
import { type Command, quote } from '../command.js';

export interface Answer {
  /** Standard output without its last line end. */
  readonly text: string;
  readonly code: number;
}

export interface Question<T> {
  /** POSIX shell; its standard output is the answer. */
  readonly shell: string;
  /** Seconds until it is given up. Default 5. */
  readonly seconds?: number;
  /** Undefined for what the answer does not say; never throws. */
  read(answer: Answer): T | undefined;
}

export type Questions = Readonly<Record<string, Question<unknown>>>;
export type Answers<Q extends Questions> = { readonly [K in keyof Q]?: NonNullable<ReturnType<Q[K]['read']>> };

const head = `LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export PATH
section() {
  out=$(timeout -k 1 "$2" sh -c "$3" 2>/dev/null </dev/null); code=$?
  echo "=== $1"
  [ -z "$out" ] || printf '%s\\n' "$out" | sed 's/^/ /'
  echo "=== /$1 $code."
}`;

/** One command for all of them, one after the other. @param root asks as root, which sees more */
export function together(questions: Questions, root: boolean): Command {
  const asked = Object.entries(questions).map(
    ([id, { shell, seconds = 5 }]) => `section ${id} ${seconds} ${quote(shell)}`,
  );
  const whole = Object.values(questions).reduce((sum, { seconds = 5 }) => sum + seconds + 1, 0);
  return {
    argv: ['sh', '-c', [head, ...asked, 'exit 0'].join('\n'), 'node'],
    ...(root ? { sudo: true } : {}),
    timeoutMs: Math.min(whole, 90) * 1000,
  };
}

const section = /^=== (\S+)\n((?: .*\n)*)=== \/\1 (\d+)\.$/gm;

/** What `timeout` says of a question that was given up, and of one that had to be killed. */
const stopped = new Set([124, 137]);

export function readTogether<Q extends Questions>(questions: Q, stdout: string): Answers<Q> {
  const found: Record<string, unknown> = {};
  for (const [, id, body, code] of stdout.matchAll(section)) {
    const question = questions[id!];
    if (!question || stopped.has(Number(code))) continue;
    const text = body!.replace(/^ /gm, '').replace(/\n$/, '');
    const value = question.read({ text, code: Number(code) });
    if (value !== undefined && value !== null) found[id!] = value;
  }
  return found as Answers<Q>;
}

export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
