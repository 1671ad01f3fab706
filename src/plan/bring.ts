/** One step brought about: the probe decides, the actions run, the probe is asked again. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { Result, World } from '../world.js';
import type { Entry } from './journal.js';
import { perform } from './perform.js';
import { type Action, type Step, show, tail } from './step.js';
import { watched } from './watch.js';

/** Who hears how it goes. */
export interface Listener {
  start(): void;
  note(text: Text): void;
  skip(why: Text): void;
  /** @param ms since the start */
  done(ms: number): void;
  fail(why: Text): void;
  journal(entry: Entry): Promise<void>;
}

/**
 * @param asking the same host, for the probe
 * @returns whether there was something to do
 * @throws UserError of the failed action, or `<step>.no-effect` when all went well and it is still not so.
 */
export async function bring<C>(
  step: Step<C>,
  context: C,
  world: World,
  listener: Listener,
  asking = world,
): Promise<boolean> {
  listener.start();
  try {
    stopIfAsked(world, step);
    if (await step.done(context, asking)) {
      listener.skip(say('already so', '已就绪'));
      return false;
    }
    const startedAt = world.clock.monotonic();
    await listener.journal({ step: step.id, event: 'start' });
    for (const action of await step.apply(context, world)) {
      await act(action, step, world, listener);
      stopIfAsked(world, step);
    }
    if (!(await step.done(context, asking))) throw noEffect(step);
    const ms = Math.round(world.clock.monotonic() - startedAt);
    await listener.journal({ step: step.id, event: 'done', ms });
    listener.done(ms);
    return true;
  } catch (error) {
    const told = world.stop.aborted ? interrupted(step) : error;
    listener.fail(world.stop.aborted ? say('stopped', '已停止') : say('failed', '失败'));
    await listener.journal({
      step: step.id,
      event: 'fail',
      error: told instanceof Error ? told.message : String(told),
    });
    throw told;
  }
}

async function act<C>(action: Action, step: Step<C>, world: World, listener: Listener): Promise<void> {
  const startedAt = world.clock.monotonic();
  const watch = watched(action);
  let result: Result | undefined;
  const entry = (): Entry => ({
    step: step.id,
    event: 'action',
    action: show(action),
    ms: Math.round(world.clock.monotonic() - startedAt),
    ...(result ? { code: result.code } : {}),
  });
  try {
    await perform(
      watch.action,
      world,
      (text) => listener.note(say(watch.hide(text.en), watch.hide(text.zh))),
      (its) => {
        result = its;
      },
    );
  } catch (error) {
    const told = hidden(error, watch.hide);
    const words = result ? { tail: watch.hide(tail(result)) } : {};
    await listener.journal({ ...entry(), ...words, error: told instanceof Error ? told.message : String(told) });
    throw told;
  }
  await listener.journal(entry());
}

/** The same error, without the secrets that a command's output may hold. */
function hidden(error: unknown, hide: (text: string) => string): unknown {
  if (!(error instanceof UserError)) return error;
  const text = say(hide(error.text.en), hide(error.text.zh));
  if (text.en === error.text.en && text.zh === error.text.zh) return error;
  const { id, hint, exit, details } = error;
  return new UserError(id, text, { exit, details, ...(hint ? { hint } : {}) });
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
