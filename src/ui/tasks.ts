import type { Text } from '../say.js';
import type { Clock, Paint, TaskSink } from '../world.js';

export interface Line {
  readonly id: string;
  readonly title: string;
}

export interface Pen {
  readonly paint: Paint;
  readonly clock: Clock;
  text(text: Text): string;
  write(line: string): void;
}

const noteEveryMs = 10_000;

/** '', '12 s', '3 min 5 s'. */
export const took = (ms: number): string => (ms < 950 ? '' : ms < 59_500 ? `${(ms / 1000).toFixed(0)} s` : minutes(ms));
const minutes = (ms: number): string => `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;

/** Where there is no terminal: a line per finished task, and one now and then while a long one runs. */
export function plainTasks(list: readonly Line[], pen: Pen): TaskSink {
  const titles = new Map(list.map(({ id, title }) => [id, title]));
  const started = new Map<string, number>();
  let noted = pen.clock.monotonic();
  const line = (mark: string, id: string, rest = ''): void => {
    noted = pen.clock.monotonic();
    pen.write(`${mark} ${titles.get(id) ?? id}${rest && pen.paint.dim(`  ${rest}`)}`);
  };
  const tookOf = (id: string): string => took(pen.clock.monotonic() - (started.get(id) ?? noted));
  return {
    start: (id) => void started.set(id, pen.clock.monotonic()),
    note(id, note) {
      if (pen.clock.monotonic() - noted >= noteEveryMs) line(pen.paint.dim('…'), id, pen.text(note));
    },
    skip: (id, why) => line(pen.paint.dim('–'), id, pen.text(why)),
    done: (id) => line(pen.paint.good('✔'), id, tookOf(id)),
    fail: (id, why) => line(pen.paint.bad('✗'), id, pen.text(why)),
    end: async () => {},
  };
}

interface Running {
  readonly title: string;
  startedAt: number;
  resolve(): void;
  reject(error: Error): void;
  readonly end: Promise<void>;
  /** listr2's own handle, from when the line begins to turn. */
  shown?: { title: string };
}

function begin(title: string, startedAt: number): Running {
  let resolve = (): void => {};
  let reject = (_: Error): void => {};
  const end = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  end.catch(() => {});
  return { title, startedAt, resolve, reject, end };
}

/** On a terminal listr2 draws: each line turns from its start event until its own end. */
export async function liveTasks(list: readonly Line[], pen: Pen): Promise<TaskSink> {
  const { Listr } = await import('listr2');
  const tasks = new Map(list.map((line) => [line.id, begin(line.title, pen.clock.monotonic())]));
  const listr = new Listr(
    [...tasks.values()].map((task) => ({
      title: task.title,
      task: (_: unknown, shown: { title: string }) => {
        task.shown = shown;
        return task.end;
      },
    })),
    {
      concurrent: false,
      exitOnError: true,
      // Ctrl-C is ours: the step in hand is told, and what it leaves is said.
      registerSignalListeners: false,
      rendererOptions: { showErrorMessage: false, collapseSkips: false },
    },
  );
  const over = listr.run().catch(() => {});
  const tell = (id: string, tail: string): Running | undefined => {
    const task = tasks.get(id);
    if (task?.shown) task.shown.title = tail ? `${task.title}  ${pen.paint.dim(tail)}` : task.title;
    return task;
  };
  return {
    start(id) {
      const task = tasks.get(id);
      if (task) task.startedAt = pen.clock.monotonic();
    },
    note: (id, note) => void tell(id, pen.text(note)),
    skip: (id, why) => tell(id, pen.text(why))?.resolve(),
    done: (id) => tell(id, took(pen.clock.monotonic() - (tasks.get(id)?.startedAt ?? 0)))?.resolve(),
    fail: (id, why) => tell(id, pen.text(why))?.reject(new Error(pen.text(why))),
    async end() {
      const open = [...tasks.values()].find((task) => task.shown);
      open?.reject(new Error('ended'));
      await over;
    },
  };
}
