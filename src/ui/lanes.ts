/** Many hosts side by side: on a terminal one line each that changes in place, elsewhere a line per finished step. */
import { say, type Text } from '../say.js';
import { columns, padEnd } from '../table.js';
import type { LaneEnd, LaneSink } from '../world.js';
import { type Pen, took } from './tasks.js';

export interface LaneState {
  readonly name: string;
  readonly steps: number;
  /** Its step in hand, from 1; 0 before the first. */
  at: number;
  title: string;
  note: string;
  /** Monotonic, ms. */
  since: number;
  state: 'queued' | 'working' | 'waiting' | LaneEnd;
}

export interface Screen {
  readonly rows: number;
  readonly columns: number;
  /** Monotonic, ms. */
  readonly now: number;
}

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const frameMs = 120;
const noteEveryMs = 30_000;

/** Cut at the width of the terminal, so that a line is a line; wide characters count two. */
function cut(text: string, width: number): string {
  if (columns(text) <= width) return text;
  let kept = '';
  for (const character of text) {
    if (columns(kept + character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

function mark({ state }: LaneState, { now }: Screen, { paint }: Pen): string {
  const turning = frames[Math.floor(now / frameMs) % frames.length]!;
  const marks: Readonly<Record<LaneState['state'], string>> = {
    queued: paint.dim('·'),
    working: paint.accent(turning),
    waiting: paint.dim('‖'),
    done: paint.good('✔'),
    failed: paint.bad('✗'),
    blocked: paint.warn('‖'),
    stopped: paint.warn('–'),
  };
  return marks[state];
}

function line(lane: LaneState, width: number, screen: Screen, pen: Pen): string {
  const time = lane.state === 'working' ? took(screen.now - lane.since) : '';
  const count = `${lane.at}/${lane.steps}`.padStart(5);
  const words = [lane.title, time, lane.note].filter(Boolean).join('  ');
  const head = `${padEnd(lane.name, width)}  ${count}  `;
  const room = Math.max(10, screen.columns - columns(head) - 3);
  return `${mark(lane, screen, pen)} ${head}${cut(words, room)}`.trimEnd();
}

const order: readonly LaneState['state'][] = ['failed', 'working', 'blocked', 'stopped', 'waiting', 'queued', 'done'];

/** As many lines as the terminal has, the last one a count when not every host has its own. */
export function laneLines(lanes: readonly LaneState[], screen: Screen, pen: Pen): string[] {
  const width = Math.max(0, ...lanes.map(({ name }) => columns(name)));
  const all = screen.rows - 1;
  if (lanes.length <= all) return lanes.map((lane) => line(lane, width, screen, pen));
  const shown = order.flatMap((state) => lanes.filter((lane) => lane.state === state)).slice(0, all - 1);
  return [...shown.map((lane) => line(lane, width, screen, pen)), pen.paint.dim(pen.text(countOf(lanes)))];
}

function countOf(lanes: readonly LaneState[]): Text {
  const number = (...states: LaneState['state'][]): number =>
    lanes.filter(({ state }) => states.includes(state)).length;
  const [done, working, waiting, failed] = [
    number('done'),
    number('working'),
    number('queued', 'waiting', 'blocked'),
    number('failed', 'stopped'),
  ];
  return say(
    `${lanes.length} hosts: ${done} done, ${working} at work, ${waiting} waiting, ${failed} failed`,
    `${lanes.length} 台主机：完成 ${done}，进行中 ${working}，等待 ${waiting}，失败 ${failed}`,
  );
}

const begun = ({ name, steps }: { readonly name: string; readonly steps: number }): LaneState => ({
  name,
  steps,
  at: 0,
  title: '',
  note: '',
  since: 0,
  state: 'queued',
});

type Lanes = readonly { readonly name: string; readonly steps: number }[];

/** @param screen asked anew for each frame */
export function liveLanes(
  lanes: Lanes,
  pen: Pen,
  raw: (text: string) => void,
  screen: () => Omit<Screen, 'now'>,
): LaneSink {
  const states = new Map(lanes.map((lane) => [lane.name, begun(lane)]));
  let drawn = 0;
  const draw = (): void => {
    const lines = laneLines([...states.values()], { ...screen(), now: pen.clock.monotonic() }, pen);
    const up = drawn > 0 ? `\u001b[${drawn}A` : '';
    raw(`${up}\r\u001b[J${lines.map((each) => `${each}\n`).join('')}`);
    drawn = lines.length;
  };
  const timer = setInterval(draw, frameMs);
  const set = (name: string, change: Partial<LaneState>): void => void Object.assign(states.get(name) ?? {}, change);
  return {
    begin: (lane, title, at) =>
      set(lane, { state: 'working', title: pen.text(title), at, note: '', since: pen.clock.monotonic() }),
    note: (lane, note) => set(lane, { note: pen.text(note) }),
    finish: (lane) => set(lane, { note: '' }),
    wait: (lane, what) => set(lane, { state: 'waiting', title: pen.text(what), note: '' }),
    end: (lane, state, why) => set(lane, { state, title: why ? pen.text(why) : '', note: '' }),
    async close() {
      clearInterval(timer);
      draw();
    },
  };
}

/** A line per finished step with the host's name, and one now and then while a long one runs. */
export function plainLanes(lanes: Lanes, pen: Pen): LaneSink {
  const width = Math.max(0, ...lanes.map(({ name }) => columns(name)));
  const states = new Map(lanes.map((lane) => [lane.name, begun(lane)]));
  const write = (sign: string, lane: string, ...words: string[]): void => {
    const noted = states.get(lane);
    if (noted) noted.since = pen.clock.monotonic();
    pen.write(`${sign} ${padEnd(lane, width)}  ${words.filter(Boolean).join('  ')}`);
  };
  const ends: Readonly<Record<LaneEnd, string>> = {
    done: pen.paint.good('●'),
    failed: pen.paint.bad('✗'),
    blocked: pen.paint.warn('‖'),
    stopped: pen.paint.warn('–'),
  };
  return {
    begin(lane, title) {
      const state = states.get(lane);
      if (state) Object.assign(state, { title: pen.text(title), since: pen.clock.monotonic() });
    },
    note(lane, note) {
      const state = states.get(lane);
      if (!state || pen.clock.monotonic() - state.since < noteEveryMs) return;
      write(pen.paint.dim('…'), lane, state.title, pen.paint.dim(pen.text(note)));
    },
    finish: (lane, title, ms) => write(pen.paint.good('✔'), lane, pen.text(title), pen.paint.dim(took(ms))),
    wait: () => {},
    end: (lane, state, why) =>
      write(ends[state], lane, state === 'done' ? pen.text(say('done', '完成')) : '', why ? pen.text(why) : ''),
    close: async () => {},
  };
}
