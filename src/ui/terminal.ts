import type { Lang, Text } from '../say.js';
import type { Choice, Clock, Ui } from '../world.js';
import { colourLevel, paint } from './paint.js';

export interface Streams {
  readonly stdin: { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface Manner {
  readonly lang: Lang;
  readonly json: boolean;
  readonly yes: boolean;
}

/** Ctrl-C in a question ends the program as Ctrl-C anywhere else does. */
async function asked<T>(question: Promise<T>, interrupt: () => never): Promise<T> {
  try {
    return await question;
  } catch (error) {
    if ((error as Error).name === 'ExitPromptError') interrupt();
    throw error;
  }
}

/** @param interrupt throws what Ctrl-C throws. */
export function terminal(
  streams: Streams,
  manner: Manner,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
  interrupt: () => never,
): Ui {
  const people = manner.json ? streams.stderr : streams.stdout;
  const pens = paint(colourLevel(env, people.isTTY === true));
  const live = people.isTTY === true && !env.CI && env.TERM !== 'dumb';
  const text = (words: Text): string => words[manner.lang];
  const pen = { paint: pens, clock, text, write: (line: string) => void people.write(`${line}\n`) };
  const prompts = () => import('@inquirer/prompts');
  const shown = <T>({ value, name, note }: Choice<T>) => ({
    value,
    name: text(name),
    ...(note ? { description: text(note) } : {}),
  });
  return {
    lang: manner.lang,
    paint: pens,
    width: people.columns ?? 80,
    interactive: live && streams.stdin.isTTY === true && !manner.yes && !manner.json,
    text,
    line: (words = '') => pen.write(typeof words === 'string' ? words : text(words)),
    out: (words) => void streams.stdout.write(words),
    error: (words) => void streams.stderr.write(`${words}\n`),
    async tasks(list) {
      const { plainTasks, liveTasks } = await import('./tasks.js');
      const lines = list.map(({ id, title }) => ({ id, title: text(title) }));
      return live ? liveTasks(lines, pen) : plainTasks(lines, pen);
    },
    async lanes(list) {
      const { plainLanes, liveLanes } = await import('./lanes.js');
      const screen = () => ({ rows: people.rows ?? 24, columns: people.columns ?? 80 });
      return live ? liveLanes(list, pen, (raw) => void people.write(raw), screen) : plainLanes(list, pen);
    },
    async wait(words, work) {
      if (!live) return work(() => {});
      const { default: ora } = await import('ora');
      const spinner = ora({ text: text(words), stream: people, discardStdin: false }).start();
      try {
        return await work((note) => {
          spinner.text = `${text(words)} ${pens.dim(text(note))}`;
        });
      } finally {
        spinner.stop();
      }
    },
    input: async (question, initial, check) =>
      asked(
        (await prompts()).input({
          message: text(question),
          default: initial,
          validate: (value) => {
            const wrong = check?.(value);
            return wrong ? text(wrong) : true;
          },
        }),
        interrupt,
      ),
    select: async (question, choices, initial) =>
      asked(
        (await prompts()).select({ message: text(question), choices: choices.map(shown), default: initial }),
        interrupt,
      ),
    confirm: async (question, initial) =>
      asked((await prompts()).confirm({ message: text(question), default: initial }), interrupt),
    // Also with --yes: there is no default for it.
    secret: async (question) =>
      streams.stdin.isTTY ? asked((await prompts()).password({ message: text(question) }), interrupt) : undefined,
  };
}
