import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { TaskSink, World } from '../world.js';
import { note } from './journal.js';
import { perform } from './perform.js';
import { type Action, NotYet, type Step, show } from './step.js';

export interface Planned<C> {
  readonly step: Step<C>;
  /** Undefined when the machine shows the effect already. */
  readonly actions: readonly Action[] | undefined;
  /** The step whose effect they depend on, where they cannot be told yet. */
  readonly after?: string;
}

/** What would be done, in order, as far as it can be told before anything is. */
export async function plan<C>(steps: readonly Step<C>[], context: C, world: World): Promise<Planned<C>[]> {
  const planned: Planned<C>[] = [];
  for (const step of steps) {
    planned.push(await planStep(step, context, world));
  }
  return planned;
}

async function planStep<C>(step: Step<C>, context: C, world: World): Promise<Planned<C>> {
  if (await step.done(context, world)) return { step, actions: undefined };
  try {
    return { step, actions: await step.apply(context, world) };
  } catch (error) {
    if (error instanceof NotYet) return { step, actions: [], after: error.after };
    throw error;
  }
}

export interface Applied {
  /** The ids of the steps that had something to do. */
  readonly changed: readonly string[];
}

/**
 * Brings each step about, in order: the probe decides, the actions run, the probe is asked again.
 * @throws UserError of the failed action, or `<step>.no-effect` when all went well and it is still not so.
 */
export async function apply<C>(steps: readonly Step<C>[], context: C, world: World, tasks: TaskSink): Promise<Applied> {
  const changed: string[] = [];
  try {
    for (const step of steps) {
      tasks.start(step.id);
      if (await bring(step, context, world, tasks)) changed.push(step.id);
    }
  } finally {
    await tasks.end();
  }
  return { changed };
}

async function bring<C>(step: Step<C>, context: C, world: World, tasks: TaskSink): Promise<boolean> {
  try {
    stopIfAsked(world, step);
    if (await step.done(context, world)) {
      tasks.skip(step.id, say('already so', '已就绪'));
      return false;
    }
    const startedAt = world.clock.monotonic();
    await note(world, { step: step.id, event: 'start' });
    for (const action of await step.apply(context, world)) {
      await act(action, step, world, tasks);
      stopIfAsked(world, step);
    }
    if (!(await step.done(context, world))) throw noEffect(step);
    await note(world, { step: step.id, event: 'done', ms: Math.round(world.clock.monotonic() - startedAt) });
    tasks.done(step.id);
    return true;
  } catch (error) {
    const told = world.stop.aborted ? interrupted(step) : error;
    tasks.fail(step.id, world.stop.aborted ? say('stopped', '已停止') : say('failed', '失败'));
    await note(world, { step: step.id, event: 'fail', error: told instanceof Error ? told.message : String(told) });
    throw told;
  }
}

async function act<C>(action: Action, step: Step<C>, world: World, tasks: TaskSink): Promise<void> {
  const startedAt = world.clock.monotonic();
  const entry = (): { ms: number; action: string } => ({
    action: show(action),
    ms: Math.round(world.clock.monotonic() - startedAt),
  });
  await perform(action, world, (text) => tasks.note(step.id, text));
  await note(world, { step: step.id, event: 'action', ...entry() });
}

function stopIfAsked<C>(world: World, step: Step<C>): void {
  if (world.stop.aborted) throw interrupted(step);
}

const interrupted = <C>(step: Step<C>): UserError =>
  new UserError('interrupted', say(`Stopped at: ${step.title.en}.`, `停止于：${step.title.zh}。`), {
    hint: say('The same command carries on from here.', '再次运行同一命令即可继续。'),
    exit: 'interrupted',
  });

const noEffect = <C>(step: Step<C>): UserError =>
  new UserError(
    `${step.id}.no-effect`,
    say(
      `"${step.title.en}" was applied without an error, but it is still not so.`,
      `“${step.title.zh}”执行无误，但结果仍未生效。`,
    ),
    { hint: say('See the journal and the logs: deepseek-deploy logs', '查看记录和日志：deepseek-deploy logs') },
  );
