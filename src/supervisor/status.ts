/** What is true now of the supervisor and its processes: its report, held against the processes that live. */
import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import {
  type Exit,
  type Holder,
  lockFile,
  type ProcessReport,
  parseHolder,
  parseReport,
  type Report,
  reportFile,
  type State,
} from './report.js';
import { sentence } from './words.js';

export interface ProcessTruth {
  readonly id: string;
  /** 'gone': it ended, and nobody has noticed yet or nobody is there to notice. */
  readonly state: State | 'gone';
  /** Only of one that lives. */
  readonly pid?: number;
  readonly log: string;
  /** Milliseconds since 1970, as all times here. */
  readonly startedAt?: number;
  readonly readySince?: number;
  readonly restarts: number;
  readonly lastExit?: Exit;
  readonly nextStartAt?: number;
  readonly reason?: Text;
  /** Telling lines of its log, with the reason. */
  readonly lines: readonly string[];
}

export interface Supervision {
  readonly state: 'ready' | 'starting' | 'degraded' | 'down';
  readonly reason: Text;
  /** 'hung': it lives, but has not reported for long. */
  readonly supervisor: { readonly state: 'running' | 'stopping' | 'hung' | 'gone' | 'none'; readonly pid?: number };
  /** What is wrong with the stack file. */
  readonly problems: readonly string[];
  /** SHA-256 of the stack file that the living supervisor read last, and how often it read one; 0 before its report. */
  readonly stack?: string;
  readonly loads: number;
  readonly processes: readonly ProcessTruth[];
}

/** Several heartbeats, and more than any pause of a busy machine. */
const hungMs = 30_000;

export interface Evidence {
  readonly report: Report | undefined;
  /** A living supervisor: the one of the report, or one that has not reported yet. */
  readonly supervisor: Holder | undefined;
  /** Pids of the report's processes that are still the same. */
  readonly alive: ReadonlySet<number>;
  readonly now: number;
}

/** Reads two small files and looks at each pid in them; a few milliseconds. */
export async function readSupervision(world: World): Promise<Supervision> {
  const { files, processes, places, clock } = world;
  const same = async (one: Partial<Holder> | undefined): Promise<boolean> =>
    one?.pid !== undefined && (await processes.identity(one.pid)) === one.identity;
  const [report, holder] = await Promise.all([
    files.readIfAny(reportFile(places.home)).then(parseReport),
    files.readIfAny(lockFile(places.home)).then(parseHolder),
  ]);
  const records = report?.processes ?? [];
  const [reporting, holding, ...living] = await Promise.all([
    same(report?.supervisor),
    same(holder),
    ...records.map(same),
  ]);
  const supervisor = reporting ? report?.supervisor : holding ? holder : undefined;
  const alive = new Set(records.flatMap(({ pid }, index) => (living[index] && pid !== undefined ? [pid] : [])));
  return judge({ report, supervisor, alive, now: clock.now() });
}

export function judge(evidence: Evidence): Supervision {
  const { report, supervisor, alive } = evidence;
  const watch = watchOf(evidence);
  const current = report?.supervisor.pid === supervisor?.pid ? report : undefined;
  const processes = (report?.processes ?? []).map((record) => truthOf(record, alive, watch));
  return {
    ...overall(watch, processes),
    supervisor: { state: watch, ...(supervisor ? { pid: supervisor.pid } : {}) },
    problems: current?.problems ?? [],
    ...(current ? { stack: current.stack } : {}),
    loads: current?.loads ?? 0,
    processes,
  };
}

function watchOf({ report, supervisor, now }: Evidence): Supervision['supervisor']['state'] {
  if (!supervisor) return report && report.state !== 'stopped' ? 'gone' : 'none';
  if (report?.supervisor.pid !== supervisor.pid) return 'running';
  if (now - report.updatedAt > hungMs) return 'hung';
  return report.state === 'running' ? 'running' : 'stopping';
}

function truthOf(
  record: ProcessReport,
  alive: ReadonlySet<number>,
  watch: Supervision['supervisor']['state'],
): ProcessTruth {
  const { id, log, restarts, lastExit, nextStartAt, reason, startedAt, readySince, pid } = record;
  const lives = pid !== undefined && alive.has(pid);
  const waits = watch === 'running' && nextStartAt !== undefined;
  return {
    id,
    state: stateNow(record, lives, watch),
    ...(lives ? { pid } : {}),
    log,
    ...(lives && startedAt !== undefined ? { startedAt } : {}),
    ...(lives && readySince !== undefined ? { readySince } : {}),
    restarts,
    ...(lastExit ? { lastExit } : {}),
    ...(waits ? { nextStartAt } : {}),
    ...(reason ? { reason: sentence(id, reason, lastExit) } : {}),
    lines: reason?.lines ?? [],
  };
}

/** A state that speaks of a living process needs one; a wait for the next start needs a supervisor. */
function stateNow(
  record: ProcessReport,
  lives: boolean,
  watch: Supervision['supervisor']['state'],
): ProcessTruth['state'] {
  const { state, startedAt } = record;
  if (lives || state === 'stopped') return state;
  if (watch === 'gone' || watch === 'none') return 'gone';
  return startedAt === undefined ? state : 'gone';
}

type Overall = Pick<Supervision, 'state' | 'reason'>;

function overall(watch: Supervision['supervisor']['state'], processes: readonly ProcessTruth[]): Overall {
  const living = processes.filter(({ pid }) => pid !== undefined);
  if (watch === 'none' || watch === 'gone') return unwatched(watch, living);
  if (watch === 'hung') {
    const reason = say(
      'The supervisor lives but has not reported for 30 s or more.',
      '守护进程仍在，但已 30 秒以上没有更新状态。',
    );
    return { state: living.length > 0 ? 'degraded' : 'down', reason };
  }
  if (processes.length === 0)
    return { state: 'starting', reason: say('The supervisor is starting.', '守护进程正在启动。') };
  const worst =
    processes.find(({ state }) => troubles.includes(state)) ?? processes.find(({ state }) => state !== 'ready');
  if (!worst) return { state: 'ready', reason: say('Everything is ready.', '全部就绪。') };
  const reason = worst.reason ?? plain(worst);
  if (worst.state === 'starting') return { state: 'starting', reason };
  const works = processes.some(({ state }) => state === 'ready' || state === 'unhealthy');
  return { state: works ? 'degraded' : 'down', reason };
}

const troubles: readonly string[] = ['crashing', 'unhealthy', 'gone', 'backoff', 'stopping', 'stopped'];

function unwatched(watch: 'none' | 'gone', living: readonly ProcessTruth[]): Overall {
  const ids = living.map(({ id }) => id).join(', ');
  if (living.length > 0) {
    const reason = say(
      `The supervisor is gone; ${ids} still running, but nobody would restart them.`,
      `守护进程已不在；${ids} 仍在运行，但崩溃后不会被重启。`,
    );
    return { state: 'degraded', reason };
  }
  return watch === 'gone'
    ? {
        state: 'down',
        reason: say('The supervisor and all of its processes are gone.', '守护进程及其所有进程都已不在。'),
      }
    : { state: 'down', reason: say('Nothing is running.', '没有任何进程在运行。') };
}

const plain = ({ id, state }: ProcessTruth): Text => {
  const zh =
    { starting: '正在启动', stopping: '正在停止', stopped: '已停止', gone: '刚刚退出' }[state as string] ?? '未就绪';
  const en = { starting: 'is starting', stopping: 'is stopping', stopped: 'is stopped', gone: 'has just ended' }[
    state as string
  ];
  return say(`${id} ${en ?? `is not ready (${state})`}.`, `${id} ${zh}。`);
};
