import type { TaskSink, World } from '../world.js';
import { bring, type Listener } from './bring.js';
import { note } from './journal.js';
import { type Action, NotYet, type Step } from './step.js';

export interface Planned<C> {
  readonly step: Step<C>;
  /** Undefined when the machine shows the effect already. */
  readonly actions: readonly Action[] | undefined;
  /** The step whose effect they depend on, where they cannot be told yet. */
  readonly after?: string;
}

/**
 * What would be done, in order, as far as it can be told before anything is. The probes are asked all at once: they
 * change nothing, and over a network it is the way that takes the time.
 */
export async function plan<C>(steps: readonly Step<C>[], context: C, world: World): Promise<Planned<C>[]> {
  const done = await Promise.all(steps.map((step) => step.done(context, world)));
  const planned: Planned<C>[] = [];
  for (const [at, step] of steps.entries()) {
    planned.push(done[at] ? { step, actions: undefined } : await planStep(step, context, world));
  }
  return planned;
}

async function planStep<C>(step: Step<C>, context: C, world: World): Promise<Planned<C>> {
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
      const { id } = step;
      const listener: Listener = {
        start: () => tasks.start(id),
        note: (text) => tasks.note(id, text),
        skip: (why) => tasks.skip(id, why),
        done: () => tasks.done(id),
        fail: (why) => tasks.fail(id, why),
        journal: (entry) => note(world, entry),
      };
      if (await bring(step, context, world, listener)) changed.push(id);
    }
  } finally {
    await tasks.end();
  }
  return { changed };
}
