/** Starting, reloading and ending the supervision of this home. */
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { parseReport, reportFile, supervisorLog } from './report.js';
import { stackFile } from './stack.js';
import { readSupervision, type Supervision } from './status.js';
import { tellingLines } from './telling.js';

const stepMs = 25;
/** For a supervisor to take up its work or to read its stack; what it runs may take longer. */
const startMs = 10_000;
/** On top of the graces of all processes. */
const stopMs = 10_000;

/** Polls until there is an answer; undefined when the time is over. */
async function until<T>(world: World, withinMs: number, probe: () => Promise<T | undefined>): Promise<T | undefined> {
  for (const end = world.clock.monotonic() + withinMs; ; ) {
    const answer = await probe();
    if (answer !== undefined || world.clock.monotonic() > end) return answer;
    await world.clock.sleep(stepMs);
  }
}

/**
 * Makes the supervisor run what `<home>/run/stack.json` says now: starts one, or has the living one read it again,
 * which also starts at once what waits after a failure. Returns as soon as the supervisor has taken it up; whether
 * the processes are ready, `readSupervision` tells.
 * @throws UserError `supervisor.start`
 */
export async function startSupervision(world: World): Promise<Supervision> {
  const wanted = await world.files.hash(stackFile(world.places.home));
  for (let attempt = 0; attempt < 3; attempt++) {
    const { supervisor } = await readSupervision(world);
    const { state, pid } = supervisor;
    if (state === 'hung' && pid !== undefined) await end(world, pid);
    if (state === 'stopping' && pid !== undefined) await gone(world, pid, (await graces(world)) + stopMs);
    const now = state === 'running' ? await reported(world) : await launch(world);
    if (now?.stack === wanted && state !== 'running') return sound(now);
    const read = now && (await reload(world, now, wanted));
    if (read) return sound(read);
  }
  throw await failure(world, 0);
}

/** Undefined when it ended before it was done, or did not do it in time. */
async function reload(world: World, before: Supervision, wanted: string): Promise<Supervision | undefined> {
  const { pid } = before.supervisor;
  if (pid === undefined || !world.processes.kill(pid, 'SIGHUP')) return undefined;
  const after = await until(world, startMs, async () => {
    const now = await readSupervision(world);
    if (now.supervisor.pid !== pid) return 'ended';
    return now.loads > before.loads && now.stack === wanted ? now : undefined;
  });
  return after === 'ended' ? undefined : after;
}

/** The living supervisor's first report. */
const reported = (world: World): Promise<Supervision | undefined> =>
  until(world, startMs, async () => {
    const now = await readSupervision(world);
    return now.supervisor.pid === undefined || now.loads > 0 ? now : undefined;
  });

/** If another was started beside it, that one is as good. */
async function launch(world: World): Promise<Supervision> {
  const { home } = world.places;
  await world.files.makeDir(`${home}/logs`);
  const log = supervisorLog(home);
  const from = (await world.files.stat(log))?.size ?? 0;
  const started = await world.host.start({ argv: program(world), cwd: home }, log);
  const up = await until(world, startMs, async () => {
    const now = await readSupervision(world);
    if (now.loads > 0) return now;
    const ended = (await world.processes.identity(started.pid)) === undefined;
    return ended && now.supervisor.pid === undefined ? 'ended' : undefined;
  });
  if (up !== undefined && up !== 'ended') return up;
  throw await failure(world, from);
}

async function failure(world: World, from: number): Promise<UserError> {
  const log = supervisorLog(world.places.home);
  const lines = await since(world, log, from);
  return new UserError('supervisor.start', say('The supervisor did not start.', '守护进程未能启动。'), {
    hint: say(`Its log: ${log}`, `日志：${log}`),
    details: lines.map((line) => say(line, line)),
  });
}

function sound(now: Supervision): Supervision {
  if (now.problems.length === 0) return now;
  throw new UserError(
    'supervisor.stack',
    say('The supervisor cannot read its stack file.', '守护进程无法读取 stack.json。'),
    {
      details: now.problems.map((problem) => say(problem, problem)),
    },
  );
}

async function since(world: World, log: string, from: number): Promise<readonly string[]> {
  const size = (await world.files.stat(log))?.size ?? 0;
  if (size <= from) return [];
  const bytes = await world.files.readBytes(log, { from, length: size - from });
  return tellingLines(new TextDecoder().decode(bytes));
}

const program = (world: World): readonly [string, ...string[]] => [
  world.places.node,
  `${world.places.package}/dist/supervisor.js`,
  world.places.home,
];

async function end(world: World, pid: number): Promise<void> {
  world.processes.kill(pid, 'SIGKILL');
  await gone(world, pid, startMs);
}

/** Whether the process that has this pid now ended within the time. */
async function gone(world: World, pid: number, withinMs: number): Promise<boolean> {
  const identity = await world.processes.identity(pid);
  if (identity === undefined) return true;
  const ended = await until(world, withinMs, async () =>
    (await world.processes.identity(pid)) === identity ? undefined : true,
  );
  return ended ?? false;
}

/**
 * Ends all processes of this home, those that were left by a dead supervisor included, and the supervisor itself.
 * Removes `stack.json` first: nothing is wanted from here on, also by a supervisor that is just starting.
 * @returns whether anything was there to end
 * @throws UserError `supervisor.stop` when something could not be ended
 */
export async function stopSupervision(world: World): Promise<boolean> {
  const { home } = world.places;
  if (!(await world.files.stat(`${home}/run`))) return false;
  await world.files.remove(stackFile(home));
  const before = await readSupervision(world);
  const withinMs = (await graces(world)) + stopMs;
  const { pid } = before.supervisor;
  if (pid !== undefined) await askToEnd(world, pid, before.supervisor.state === 'hung' ? 0 : withinMs);
  const between = await readSupervision(world);
  const clean = pid !== undefined && between.supervisor.state === 'none' && living(between) === 0;
  // Without a stack it takes up what it finds, ends it in good order, and leaves.
  if (!clean) await sweep(world, withinMs);
  return pid !== undefined || living(before) > 0;
}

const living = (now: Supervision): number => now.processes.filter((one) => one.pid !== undefined).length;

async function graces(world: World): Promise<number> {
  const report = parseReport(await world.files.readIfAny(reportFile(world.places.home)));
  return (report?.processes ?? []).reduce((sum, { stop }) => sum + stop.graceMs, 0);
}

async function askToEnd(world: World, pid: number, withinMs: number): Promise<void> {
  if (!world.processes.kill(pid, 'SIGTERM')) return;
  if (!(await gone(world, pid, withinMs))) await end(world, pid);
}

async function sweep(world: World, withinMs: number): Promise<void> {
  const result = await world.host.run({ argv: program(world), timeoutMs: withinMs });
  const after = await readSupervision(world);
  if (result.code === 0 && living(after) === 0) return;
  throw new UserError('supervisor.stop', say('Not everything could be stopped.', '未能停止全部进程。'), {
    hint: say(
      `The log tells more: ${supervisorLog(world.places.home)}`,
      `详见日志：${supervisorLog(world.places.home)}`,
    ),
    details: tellingLines(result.stderr).map((line) => say(line, line)),
  });
}
