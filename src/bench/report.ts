/** A summary as aligned lines for a terminal, or as one JSON document. */
import { say, type Text } from '../say.js';
import { padEnd, table } from '../table.js';
import type { Paint } from '../world.js';
import type { Summary } from './fold.js';
import { metrics } from './metrics.js';
import { isWeak, type Note, notesOf, quantiles } from './notes.js';
import { rates } from './rates.js';
import type { Settings } from './record.js';
import type { Spread } from './spread.js';

export interface Pen {
  readonly paint: Paint;
  text(text: Text): string;
}

/** Three digits that mean something, and no more: 0.123, 1.23, 12.3, 1,234. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const [whole, rest] = value.toFixed(digits).split('.');
  const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, ',');
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

const right = Array.from({ length: 8 }, () => ({ align: 'right' as const }));

function spreadRows({ spreads }: Summary, pen: Pen): string[][] {
  const mark = (p: number, spread: Spread): string => `${isWeak(p, spread) ? '~' : ''}${figure(spread.quantile(p))}`;
  return metrics.flatMap(({ id, unit, title }) => {
    const spread = spreads.get(id)!;
    if (spread.n === 0) return [];
    const name = unit === 'ms' ? `${id.toUpperCase()}` : '';
    const cells = [spread.mean, spread.min].map(figure).concat(
      quantiles.map((p) => mark(p, spread)),
      figure(spread.max),
    );
    return [[name, pen.text(title), unit === 'ms' ? 'ms' : '', ...cells]];
  });
}

function spreadLines(summary: Summary, pen: Pen): string[] {
  const rows = spreadRows(summary, pen);
  if (rows.length === 0) return [];
  const head = ['', '', '', ...[say('mean', '平均'), say('min', '最小')].map(pen.text)];
  head.push(...quantiles.map((p) => `p${p * 100}`), pen.text(say('max', '最大')));
  const [first, ...rest] = table([head, ...rows], [{}, {}, {}, ...right], '  ');
  return [pen.paint.dim(first!), ...rest];
}

function described(settings: Settings, pen: Pen): string {
  const { load, maxTokens, promptTokens } = settings;
  const prompt =
    promptTokens === undefined
      ? say('a prompt of your own', '自定义提示')
      : say(`prompts of about ${promptTokens} tokens`, `提示约 ${promptTokens} 个 token`);
  return pen.text(
    say(
      `${load.concurrency} at once, ${prompt.en}, answers of at most ${maxTokens}`,
      `并发 ${load.concurrency}，${prompt.zh}，回答最多 ${maxTokens} 个 token`,
    ),
  );
}

function countLine({ totals, span }: Summary, pen: Pen): string {
  const good = pen.paint.good(pen.text(say(`${totals.good} answered`, `${totals.good} 个成功`)));
  const failed = pen.text(say(`${totals.failed} failed`, `${totals.failed} 个失败`));
  const time = pen.text(say(`in ${figure(span / 1000)} s`, `用时 ${figure(span / 1000)} 秒`));
  return [good, totals.failed > 0 ? pen.paint.bad(failed) : failed, time].join(pen.text(say(', ', '，')));
}

function rateLine(summary: Summary, pen: Pen): string {
  return rates
    .flatMap((rate) => {
      const value = rate.of(summary);
      return value === undefined ? [] : [`${pen.paint.strong(figure(value))} ${pen.text(rate.title)}`];
    })
    .join(pen.paint.dim(' · '));
}

function causeLines({ causes, totals }: Summary, pen: Pen): string[] {
  const sorted = [...causes].sort(([, a], [, b]) => b.count - a.count);
  const rows = sorted.map(([cause, { count, detail }]) => [String(count), pen.paint.bad(cause), pen.paint.dim(detail)]);
  if (totals.failed === 0) return [];
  return ['', pen.text(say('Failures, the first of each in its own words:', '失败原因（附首个错误的原文）：'))].concat(
    table(rows, [{ align: 'right' }], '  '),
  );
}

/** Aligned, calm, nothing a pipe could not take. */
export function reportLines(summary: Summary, pen: Pen): string[] {
  const lines: string[] = [];
  const { run, totals } = summary;
  if (run) {
    const { url, model } = run.settings;
    lines.push(`${pen.paint.strong(model)} ${pen.paint.dim(url)}`, pen.paint.dim(described(run.settings, pen)), '');
  }
  lines.push(countLine(summary, pen));
  if (totals.good > 0) lines.push(rateLine(summary, pen), '', ...spreadLines(summary, pen));
  lines.push(...causeLines(summary, pen));
  const notes = notesOf(summary);
  if (notes.length > 0) lines.push('', ...notes.map(({ text }) => note(pen.text(text), pen)));
  return lines;
}

const note = (text: string, pen: Pen): string =>
  text.startsWith('~ ') ? pen.paint.dim(`  ${text}`) : `${pen.paint.warn(padEnd('  !', 4))}${text}`;

export interface SpreadJson {
  readonly unit: 'ms' | 'tokens';
  readonly formula: string;
  readonly n: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

const rounded = (value: number): number => Number(value.toPrecision(6));

function spreadJson(unit: 'ms' | 'tokens', formula: string, spread: Spread): SpreadJson {
  const at = (p: number): number => rounded(spread.quantile(p));
  const { n } = spread;
  return {
    ...{ unit, formula, n, mean: rounded(spread.mean), min: at(0) },
    ...{ p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: at(1) },
  };
}

/** Metrics and rates that cannot be known are left out. Times in ms, rates per second. */
export function reportJson(summary: Summary): object {
  const { run, end, totals, span, tail } = summary;
  const notes: readonly Note[] = notesOf(summary);
  return {
    version: 1,
    ...(run ? { startedAt: run.startedAt, settings: run.settings } : {}),
    ended: end?.why ?? 'broken_off',
    requests: { good: totals.good, failed: totals.failed, cut: totals.cut, warmup: totals.warm },
    failures: Object.fromEntries(
      [...summary.causes].map(([cause, { count, detail }]) => [cause, { count, first: detail }]),
    ),
    spanMs: rounded(span),
    tailMs: rounded(tail),
    rates: Object.fromEntries(
      rates.flatMap((rate) => {
        const value = rate.of(summary);
        return value === undefined ? [] : [[rate.id, rounded(value)]];
      }),
    ),
    metrics: Object.fromEntries(
      metrics.flatMap(({ id, unit, formula }) => {
        const spread = summary.spreads.get(id)!;
        return spread.n === 0 ? [] : [[id, spreadJson(unit, formula, spread)]];
      }),
    ),
    percentiles: 'linear between closest ranks (type 7)',
    ...(summary.connect.n > 0 ? { connect: spreadJson('ms', 'connection there - sent', summary.connect) } : {}),
    ...(end ? { clientLagMs: end.lag } : {}),
    notes: notes.map(({ id, text }) => ({ id, text: text.en })),
  };
}
