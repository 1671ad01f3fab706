/** What is measured of the whole run. */
import { say, type Text } from '../say.js';
import type { Summary } from './fold.js';

/** One number for the whole run. */
export interface Rate {
  readonly id: 'requestsPerSecond' | 'outputTokensPerSecond' | 'totalTokensPerSecond' | 'goodput' | 'concurrency';
  readonly title: Text;
  readonly formula: string;
  /** Undefined when it cannot be known. */
  of(summary: Summary): number | undefined;
}

const perSecond = (count: number, { span }: Summary): number | undefined =>
  span > 0 ? (count * 1000) / span : undefined;

const known = ({ totals }: Summary): boolean => totals.good > totals.noUsage;

export const rates: readonly Rate[] = [
  {
    id: 'requestsPerSecond',
    title: say('requests/s', '请求/秒'),
    formula: 'good answers / span',
    of: (summary) => perSecond(summary.totals.good, summary),
  },
  {
    id: 'outputTokensPerSecond',
    title: say('output tokens/s', '输出 token/秒'),
    formula: 'output tokens of good answers / span',
    of: (summary) => (known(summary) ? perSecond(summary.totals.outputTokens, summary) : undefined),
  },
  {
    id: 'totalTokensPerSecond',
    title: say('tokens/s with the prompts', 'token/秒（含提示）'),
    formula: 'prompt and output tokens of good answers / span',
    of: (summary) =>
      known(summary) ? perSecond(summary.totals.promptTokens + summary.totals.outputTokens, summary) : undefined,
  },
  {
    id: 'goodput',
    title: say('requests/s within the service levels', '请求/秒（满足服务级别）'),
    formula: 'good answers that meet every --slo / span',
    of: (summary) =>
      (summary.run?.settings.slo.length ?? 0) > 0 ? perSecond(summary.totals.withinSlo, summary) : undefined,
  },
  {
    id: 'concurrency',
    title: say('in flight on average', '平均并发'),
    formula: 'time that requests were in flight, summed / span',
    of: (summary) => (summary.span > 0 ? summary.totals.busy / summary.span : undefined),
  },
];
