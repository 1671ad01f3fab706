/** What a reader has to know to believe the figures: each a value, shown when it holds. */
import { say, type Text } from '../say.js';
import type { Summary } from './fold.js';
import { neededFor, type Spread } from './spread.js';

export interface Note {
  readonly id: string;
  readonly text: Text;
}

interface Rule {
  readonly id: string;
  /** Undefined when there is nothing to say. */
  of(summary: Summary): Text | undefined;
}

const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 10_000 ? 1 : 0);
const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(0)} %`;

/** ms that the client's timers may be late before its figures are doubted. */
const lateMs = 10;
/** A wait for a connection under a ms is no set-up. */
const setUpMs = 1;
const tailShare = 0.1;

/** Percentiles that are shown. */
export const quantiles = [0.5, 0.9, 0.95, 0.99] as const;

/** A percentile that so few values do not carry. */
export const isWeak = (p: number, spread: Spread): boolean => p > 0.5 && spread.n < neededFor(p);

const interrupted: Rule = {
  id: 'interrupted',
  of: ({ end, totals }) =>
    end?.why === 'interrupted'
      ? say(
          `Stopped early: what had ended by then is counted, ${many(totals.cut, 'request')} in flight ${totals.cut === 1 ? 'is' : 'are'} not.`,
          `提前停止：只统计已结束的请求，进行中的 ${totals.cut} 个不计入。`,
        )
      : undefined,
};

const noEnd: Rule = {
  id: 'no_end',
  of: ({ end }) =>
    end ? undefined : say('The records break off: the run did not end by itself.', '记录不完整：压测没有正常结束。'),
};

const gaveUp: Rule = {
  id: 'gave_up',
  of: ({ end }) =>
    end?.why === 'gave_up' ? say('Given up: too many failures in a row.', '已放弃：连续失败次数过多。') : undefined,
};

const noUsage: Rule = {
  id: 'no_usage',
  of: ({ totals }) =>
    totals.noUsage > 0
      ? say(
          `${many(totals.noUsage, 'answer')} said no usage: left out of every token figure (events are no tokens).`,
          `${totals.noUsage} 个回答没有 usage：不计入任何 token 指标（事件数不等于 token 数）。`,
        )
      : undefined,
};

const oneToken: Rule = {
  id: 'one_token',
  of: ({ totals }) =>
    totals.oneToken > 0
      ? say(
          `${many(totals.oneToken, 'answer')} of one token: no time per output token.`,
          `${totals.oneToken} 个回答只有一个 token：没有 TPOT。`,
        )
      : undefined,
};

const empty: Rule = {
  id: 'empty',
  of: ({ totals }) =>
    totals.empty > 0
      ? say(
          `${many(totals.empty, 'answer')} without any text: no time to first token.`,
          `${totals.empty} 个回答没有任何文本：没有 TTFT。`,
        )
      : undefined,
};

const few: Rule = {
  id: 'few_samples',
  of({ spreads }) {
    const ttft = spreads.get('ttft')!;
    if (ttft.n === 0 || !quantiles.some((p) => isWeak(p, ttft))) return undefined;
    const needs = quantiles.filter((p) => p > 0.5).map((p) => `p${p * 100}: ${neededFor(p)}`);
    return say(
      `~ too few values for this percentile; at least ${needs.join(', ')}.`,
      `~ 样本太少，该百分位不可靠；至少需要 ${needs.join('、')}。`,
    );
  },
};

const events: Rule = {
  id: 'chunks_are_not_tokens',
  of({ totals }) {
    const ratio = totals.chunks > 0 ? totals.outputTokens / totals.chunks : 1;
    return ratio > 1.05 || ratio < 0.95
      ? say(
          `An event carried ${ratio.toFixed(2)} tokens on average: ITL is per event, TPOT per token.`,
          `平均每个事件含 ${ratio.toFixed(2)} 个 token：ITL 按事件计，TPOT 按 token 计。`,
        )
      : undefined;
  },
};

const tail: Rule = {
  id: 'tail',
  of: ({ tail: ms, span }) =>
    span > 0 && ms / span > tailShare
      ? say(
          `The last ${seconds(ms)} s of ${seconds(span)} s ran below full load, which lowers the rates: less so in a longer run.`,
          `总共 ${seconds(span)} 秒中最后 ${seconds(ms)} 秒未满负载，拉低了速率：延长压测可减小影响。`,
        )
      : undefined,
};

const lag: Rule = {
  id: 'client_late',
  of: ({ end }) =>
    end && end.lag.p99 > lateMs
      ? say(
          `This client was late itself (p99 ${end.lag.p99.toFixed(0)} ms, at most ${end.lag.max.toFixed(0)} ms): its delays are in the figures. Measure from an idle machine, or with fewer streams.`,
          `压测客户端自身有延迟（p99 ${end.lag.p99.toFixed(0)} 毫秒，最大 ${end.lag.max.toFixed(0)} 毫秒），已混入结果。请换一台空闲的机器，或减少并发。`,
        )
      : undefined,
};

const connect: Rule = {
  id: 'connection_setup',
  of({ connect: spread, end }) {
    // What a late client makes of it is its own lateness.
    if (spread.n === 0 || spread.quantile(0.95) <= Math.max(setUpMs, end?.lag.p99 ?? 0)) return undefined;
    const [usual, most] = [spread.quantile(0.5).toFixed(1), spread.max.toFixed(1)];
    return say(
      `Part of the time to first token was waiting for a connection: ${usual} ms as a rule, at most ${most} ms.`,
      `TTFT 中含建立连接的时间：通常 ${usual} 毫秒，最多 ${most} 毫秒。`,
    );
  },
};

const warmFailed: Rule = {
  id: 'warmup_failed',
  of: ({ totals }) =>
    totals.warmFailed > 0
      ? say(
          `${totals.warmFailed} of ${many(totals.warm, 'warm-up request')} failed.`,
          `${totals.warm} 个预热请求中有 ${totals.warmFailed} 个失败。`,
        )
      : undefined,
};

const cached: Rule = {
  id: 'cached',
  of: ({ totals }) =>
    totals.cachedTokens > totals.promptTokens * 0.05
      ? say(
          `${percent(totals.cachedTokens, totals.promptTokens)} of the prompt tokens came from the server's cache.`,
          `${percent(totals.cachedTokens, totals.promptTokens)} 的提示 token 来自服务端缓存。`,
        )
      : undefined,
};

const rules: readonly Rule[] = [
  ...[interrupted, noEnd, gaveUp, lag, tail, connect, warmFailed],
  ...[noUsage, empty, oneToken, events, cached, few],
];

export const notesOf = (summary: Summary): Note[] =>
  rules.flatMap(({ id, of }) => {
    const text = of(summary);
    return text ? [{ id, text }] : [];
  });
