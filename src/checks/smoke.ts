/** Whether an endpoint keeps what OpenAI's API promises: the protocol is judged, never what a model says. */
import type { World } from '../world.js';
import { Api, type SmokeTarget } from './api.js';
import { type Check, type CheckObserver, meant, type Outcome, runChecks, standing } from './check.js';
import { cacheChecks } from './smoke-cache.js';
import { chatChecks } from './smoke-chat.js';
import { errorChecks } from './smoke-errors.js';
import { loadChecks } from './smoke-load.js';
import { reachChecks } from './smoke-reach.js';
import { streamChecks } from './smoke-stream.js';

/** The table of contents. */
export const smokeChecks: readonly Check<Api>[] = [
  ...reachChecks,
  ...errorChecks,
  ...chatChecks,
  ...streamChecks,
  ...loadChecks,
];

/** With what only a gateway of ours with a cache promises. */
export const allChecks: readonly Check<Api>[] = [...smokeChecks, ...cacheChecks];

/** For machines: English, no objects of ours. */
export interface SmokeReport {
  readonly endpoint: string;
  readonly model: string;
  /** Nothing failed; warnings and what was skipped do not count. */
  readonly passed: boolean;
  readonly counts: Readonly<Record<'ok' | 'failed' | 'warned' | 'skipped', number>>;
  readonly ms: number;
  readonly checks: readonly SmokeLine[];
}

export interface SmokeLine {
  readonly id: string;
  readonly title: string;
  readonly state: 'ok' | 'failed' | 'warned' | 'skipped';
  readonly ms: number;
  /** What was found, why it was skipped, or a note to what is well. */
  readonly says?: string;
  readonly hint?: string;
}

function lineOf(outcome: Outcome): SmokeLine {
  const { check, verdict, ms } = outcome;
  const says = verdict.state === 'problem' ? verdict.found : verdict.state === 'skipped' ? verdict.why : verdict.note;
  return {
    id: check.id,
    title: check.title.en,
    state: standing(outcome),
    ms: Math.round(ms),
    ...(says ? { says: says.en } : {}),
    ...(verdict.state === 'problem' && verdict.hint ? { hint: verdict.hint.en } : {}),
  };
}

export function reportOf(target: SmokeTarget, outcomes: readonly Outcome[]): SmokeReport {
  const checks = outcomes.map(lineOf);
  const count = (state: SmokeLine['state']): number => checks.filter((line) => line.state === state).length;
  return {
    endpoint: target.baseUrl,
    model: target.model,
    passed: count('failed') === 0,
    counts: { ok: count('ok'), failed: count('failed'), warned: count('warned'), skipped: count('skipped') },
    ms: Math.round(outcomes.reduce((sum, { ms }) => sum + ms, 0)),
    checks,
  };
}

/**
 * The checks of these ids or groups, in their own order.
 * @param usual where no words are given
 * @throws UserError `smoke.unknown`
 */
export function chosen(words: readonly string[], usual: readonly Check<Api>[] = smokeChecks): readonly Check<Api>[] {
  if (words.length === 0) return usual;
  const all = allChecks.map(({ id }) => id);
  const ids = meant(words, all, 'smoke');
  return allChecks.filter(({ id }) => ids.has(id));
}

/** A few seconds on a small model. @throws what was thrown by Ctrl-C; a network that fails is a finding */
export async function runSmoke(
  world: World,
  target: SmokeTarget,
  observer: CheckObserver = {},
  checks: readonly Check<Api>[] = smokeChecks,
): Promise<SmokeReport> {
  return reportOf(target, await runChecks(checks, new Api(world, target), world.clock, observer));
}
