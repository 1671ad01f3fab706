/** One promise that can be looked at: a value in a list, which is the table of contents. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { Clock } from '../world.js';

/** `fail`: a promise was broken, the exit status says so. `warn`: worth knowing, and allowed. */
export type Severity = 'fail' | 'warn';

export type Verdict =
  | { readonly state: 'ok'; readonly note?: Text }
  | {
      readonly state: 'problem';
      readonly found: Text;
      readonly hint?: Text;
      /** Where it differs from the check's own. */
      readonly severity?: Severity;
    }
  | { readonly state: 'skipped'; readonly why: Text };

export interface Check<C> {
  /** Dotted, stable, English: what `--only` takes and JSON carries. */
  readonly id: string;
  /** The promise, as it reads when it is kept. */
  readonly title: Text;
  readonly severity: Severity;
  /** When this fails there is no point in the rest. */
  readonly gate?: true;
  /** A UserError is a problem found; anything else that is thrown is a bug. */
  run(context: C): Promise<Verdict>;
}

export interface Outcome {
  readonly check: Pick<Check<never>, 'id' | 'title' | 'severity'>;
  readonly verdict: Verdict;
  readonly ms: number;
}

export interface CheckObserver {
  start?(check: Outcome['check']): void;
  end?(outcome: Outcome): void;
}

export const ok = (note?: Text): Verdict => ({ state: 'ok', ...(note ? { note } : {}) });
export const skipped = (en: string, zh: string): Verdict => ({ state: 'skipped', why: say(en, zh) });

/** How an outcome counts. */
export function standing({ check, verdict }: Outcome): 'ok' | 'skipped' | 'failed' | 'warned' {
  if (verdict.state !== 'problem') return verdict.state;
  return (verdict.severity ?? check.severity) === 'fail' ? 'failed' : 'warned';
}

/** Several promises in one check: what was found for each that does not hold, in one sentence. */
export function all(promises: readonly (readonly [holds: boolean, found: Text])[], hint?: Text): Verdict {
  const broken = promises.filter(([holds]) => !holds).map(([, found]) => found);
  if (broken.length === 0) return ok();
  const found = say(broken.map(({ en }) => en).join('; '), broken.map(({ zh }) => zh).join('；'));
  return { state: 'problem', found, ...(hint ? { hint } : {}) };
}

async function verdictOf<C>(check: Check<C>, context: C): Promise<Verdict> {
  try {
    return await check.run(context);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { state: 'problem', found: error.text, ...(error.hint ? { hint: error.hint } : {}) };
  }
}

/** One after the other: what one check does must not show in another. */
export async function runChecks<C>(
  checks: readonly Check<C>[],
  context: C,
  clock: Clock,
  observer: CheckObserver = {},
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let closed: Outcome | undefined;
  for (const check of checks) {
    observer.start?.(check);
    const begun = clock.monotonic();
    const verdict = closed
      ? skipped(`no point without ${closed.check.id}`, `${closed.check.id} 未通过，无需检查`)
      : await verdictOf(check, context);
    const outcome = { check, verdict, ms: clock.monotonic() - begun };
    if (check.gate && standing(outcome) === 'failed') closed ??= outcome;
    outcomes.push(outcome);
    observer.end?.(outcome);
  }
  return outcomes;
}

/**
 * The ids that are meant: by themselves, or by their group (`chat` is all of `chat.*`); no words mean all of them.
 * @param words of `--only`, also several with commas between
 * @throws UserError `<verb>.unknown`, exit 'usage'
 */
export function meant(words: readonly string[], ids: readonly string[], verb: string): ReadonlySet<string> {
  const names = words.flatMap((word) => word.split(',')).map((word) => word.trim());
  const takes = (name: string, id: string): boolean => id === name || id.startsWith(`${name}.`);
  const unknown = names.filter((name) => !ids.some((id) => takes(name, id)));
  if (unknown.length > 0)
    throw new UserError(
      `${verb}.unknown`,
      say(`There is no check called ${unknown.join(', ')}.`, `没有名为 ${unknown.join('、')} 的检查。`),
      { hint: say(`There are: ${ids.join(', ')}`, `可选：${ids.join('、')}`), exit: 'usage' },
    );
  return new Set(names.length === 0 ? ids : ids.filter((id) => names.some((name) => takes(name, id))));
}
