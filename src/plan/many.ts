/** The same work on many hosts at once, within a limit, each with its own outcome. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';

export type Outcome<H, T> =
  | { readonly host: H; readonly state: 'done'; readonly value: T; readonly ms: number }
  | { readonly host: H; readonly state: 'failed'; readonly error: unknown; readonly ms: number }
  /** Not begun: we were stopped, or another host had failed before its turn. */
  | { readonly host: H; readonly state: 'skipped' };

export interface ManyOptions {
  readonly signal?: AbortSignal;
  /** After the first failure those not begun are left alone; those begun run to their end. Default false. */
  readonly stopAtFailure?: boolean;
}

/**
 * Runs the work on each host, at most `limit` at a time, in the order given. Never rejects: see `allDone`.
 * @returns one outcome per host, in the order of the hosts
 */
export async function many<H, T>(
  hosts: readonly H[],
  limit: number,
  work: (host: H) => Promise<T>,
  options: ManyOptions = {},
): Promise<Outcome<H, T>[]> {
  const outcomes: Outcome<H, T>[] = hosts.map((host) => ({ host, state: 'skipped' }));
  let next = 0;
  let failed = false;
  const one = async (host: H): Promise<Outcome<H, T>> => {
    const startedAt = performance.now();
    const ms = (): number => performance.now() - startedAt;
    try {
      const value = await work(host);
      return { host, state: 'done', value, ms: ms() };
    } catch (error) {
      failed = true;
      return { host, state: 'failed', error, ms: ms() };
    }
  };
  const lane = async (): Promise<void> => {
    while (next < hosts.length && !options.signal?.aborted && !(failed && options.stopAtFailure)) {
      const at = next;
      next += 1;
      outcomes[at] = await one(hosts[at]!);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(limit, hosts.length)) }, lane));
  return outcomes;
}

/**
 * The values when every host has one.
 * @throws the bug when there was one; the single host's own error; else UserError `hosts.failed` with all in its details
 */
export function allDone<H extends { readonly name: string }, T>(outcomes: readonly Outcome<H, T>[]): T[] {
  const failed = outcomes.flatMap((outcome) => (outcome.state === 'failed' ? [outcome] : []));
  const bug = failed.find(({ error }) => !(error instanceof UserError));
  if (bug) throw bug.error;
  if (failed.length === 1) throw failed[0]!.error;
  if (failed.length > 1) throw together(failed);
  return outcomes.map((outcome) => {
    if (outcome.state !== 'done') throw interrupted();
    return outcome.value;
  });
}

const interrupted = (): UserError =>
  new UserError('interrupted', say('Stopped before every host had its turn.', '已停止，部分主机尚未处理。'), {
    exit: 'interrupted',
  });

interface Failed {
  readonly host: { readonly name: string };
  /** A UserError. */
  readonly error: unknown;
  /** The id of the step that failed. */
  readonly step?: string | undefined;
}

/**
 * All that failed as one error.
 * @param more what else is to be said about them
 */
export function together(failed: readonly Failed[], more: readonly Text[] = []): UserError {
  const errors = failed.map(({ error }) => error as UserError);
  const names = failed.map(({ host }) => host.name);
  const one = failed.length === 1;
  return new UserError(
    one ? errors[0]!.id : 'hosts.failed',
    one
      ? say(`${names[0]} failed.`, `${names[0]} 失败。`)
      : say(
          `${failed.length} hosts failed: ${names.join(', ')}.`,
          `${failed.length} 台主机失败：${names.join('、')}。`,
        ),
    {
      details: [...failed.flatMap(details), ...more],
      exit: errors.every(({ exit }) => exit === errors[0]!.exit) ? errors[0]!.exit : 'failed',
      cause: errors[0],
    },
  );
}

function details({ host: { name }, error, step }: Failed): Text[] {
  const { text, hint, details: inner } = error as UserError;
  // What ssh says names its host already.
  const head = [text.en.startsWith(name) ? '' : name, step ?? ''].filter(Boolean).join(', ');
  const start = head ? say(`${head}: `, `${head}：`) : say('', '');
  const arrow = hint ? say(`\n→ ${hint.en}`, `\n→ ${hint.zh}`) : say('', '');
  return [say(`${start.en}${text.en}${arrow.en}`, `${start.zh}${text.zh}${arrow.zh}`), ...inner];
}

/** Lets at most `limit` pieces of work run at once; the others wait in line. */
export function gate(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let inside = 0;
  return async (work) => {
    if (inside >= limit) await new Promise<void>((enter) => waiting.push(enter));
    else inside += 1;
    try {
      return await work();
    } finally {
      const enter = waiting.shift();
      // The place is handed over, so that nobody slips in between.
      if (enter) enter();
      else inside -= 1;
    }
  };
}
