import { describe, expect, it } from 'vitest';
import { Fold } from '../../src/bench/fold.js';
import { type EndLine, type Line, ndjson, type RunLine, readLines } from '../../src/bench/record.js';
import { figure, reportJson, reportLines } from '../../src/bench/report.js';
import { fakeWorld } from '../world/fake.js';
import { sample, settings } from './samples.js';

const run: RunLine = { kind: 'run', version: 1, startedAt: '2026-11-24T00:00:00.000Z', settings };
const end: EndLine = { kind: 'end', why: 'done', lag: { p50: 0.2, p99: 1.5, max: 3 } };

const summary = (lines: Iterable<Line>) => {
  const fold = new Fold();
  for (const line of lines) fold.add(line);
  return fold.summary();
};

const lines: readonly Line[] = [
  run,
  sample({ n: 0, warm: true }),
  sample({ n: 1, at: 0, chunks: [100_000, 10_000, 10_000], end: 121, tokens: 3, prompt: 20 }),
  sample({ n: 2, at: 0, chunks: [200_000, 20_000, 20_000], end: 241, tokens: 3, prompt: 22 }),
  sample({ n: 3, at: 121, chunks: [100_000, 10_000, 10_000], end: 121, tokens: 3, prompt: 20 }),
  sample({ n: 4, at: 150, end: 3, failure: { cause: 'http.500', detail: 'out of memory' } }),
  end,
];

describe('for people', () => {
  it('aligned, and with what one has to know to believe it', () => {
    expect(reportLines(summary(lines), fakeWorld().ui)).toEqual([
      'demo http://127.0.0.1:8080/v1',
      '2 at once, prompts of about 16 tokens, answers of at most 8',
      '',
      '3 answered, 1 failed, in 0.242 s',
      '12.4 requests/s · 37.2 output tokens/s · 293 tokens/s with the prompts · 2.01 in flight on average',
      '',
      '                                                   mean   min   p50    p90    p95    p99   max',
      '  TTFT  Time to first token                    ms   133   100   100   ~180   ~190   ~198   200',
      '  TPOT  Time per output token after the first  ms  13.3  10.0  10.0  ~18.0  ~19.0  ~19.8  20.0',
      '  ITL   Gap between events with text           ms  13.3  10.0  10.0  ~20.0  ~20.0  ~20.0  20.0',
      '  E2E   Whole answer                           ms   160   120   120   ~216   ~228   ~238   240',
      '        Prompt tokens                              20.7  20.0  20.0  ~21.6  ~21.8  ~22.0  22.0',
      '        Output tokens                              3.00  3.00  3.00  ~3.00  ~3.00  ~3.00  3.00',
      '',
      'Failures, the first of each in its own words:',
      '  1  http.500  out of memory',
      '',
      '  ! The last 0.1 s of 0.2 s ran below full load, which lowers the rates: less so in a longer run.',
      '  ~ too few values for this percentile; at least p90: 29, p95: 59, p99: 299.',
    ]);
  });

  it('in Chinese, aligned by what a terminal shows', () => {
    const shown = reportLines(summary(lines), fakeWorld({ lang: 'zh' }).ui);
    expect(shown.slice(3, 8)).toEqual([
      '3 个成功，1 个失败，用时 0.242 秒',
      '12.4 请求/秒 · 37.2 输出 token/秒 · 293 token/秒（含提示） · 2.01 平均并发',
      '',
      '                                       平均  最小   p50    p90    p95    p99  最大',
      '  TTFT  首个 token 时延            ms   133   100   100   ~180   ~190   ~198   200',
    ]);
  });

  it('of a run without one good answer says why', () => {
    const failed = [run, sample({ failure: { cause: 'connect', detail: 'ECONNREFUSED' } }), end];
    const shown = reportLines(summary(failed), fakeWorld().ui);
    expect(shown.slice(3)).toEqual([
      '0 answered, 1 failed, in 0.015 s',
      '',
      'Failures, the first of each in its own words:',
      '  1  connect  ECONNREFUSED',
    ]);
  });

  it.each([
    [0, '0.000'],
    [0.1234, '0.123'],
    [1.234, '1.23'],
    [12.34, '12.3'],
    [999.6, '1,000'],
    [1234567.8, '1,234,568'],
    [Number.NaN, '–'],
  ])('%d is shown as %s', (value, wanted) => {
    expect(figure(value)).toBe(wanted);
  });
});

describe('for machines', () => {
  it('holds every figure with its unit, its formula and what it was measured with', () => {
    const json = reportJson(summary(lines));
    expect(json).toMatchObject({
      ...{ version: 1, startedAt: run.startedAt, settings, ended: 'done', spanMs: 242 },
      requests: { good: 3, failed: 1, cut: 0, warmup: 1 },
      failures: { 'http.500': { count: 1, first: 'out of memory' } },
      rates: { requestsPerSecond: 12.3967, outputTokensPerSecond: 37.1901 },
      metrics: { ttft: { unit: 'ms', n: 3, min: 100, p50: 100, p99: 198, max: 200, formula: expect.any(String) } },
      clientLagMs: end.lag,
    });
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });

  it('is the same from the records on disk', () => {
    const text = lines.map(ndjson).join('');
    expect(reportJson(summary(readLines(text)))).toEqual(reportJson(summary(lines)));
  });
});

describe('a note stands there', () => {
  const slow = sample({ at: 0, chunks: [100_000, 1000], end: 102, tokens: 2, prompt: 9 });
  const ids = (...more: readonly Line[]): string[] =>
    (reportJson(summary([run, ...more])) as { notes: { id: string }[] }).notes.map(({ id }) => id);

  it.each<[string, readonly Line[]]>([
    ['interrupted', [slow, { ...end, why: 'interrupted' }]],
    ['no_end', [slow]],
    ['gave_up', [slow, { ...end, why: 'gave_up' }]],
    ['client_late', [slow, { ...end, lag: { p50: 1, p99: 11, max: 50 } }]],
    ['connection_setup', [sample({ ...slow, sent: 3 }), end]],
    ['warmup_failed', [sample({ warm: true, failure: { cause: 'reset', detail: '' } }), slow, end]],
    ['no_usage', [sample({}), end]],
    ['empty', [sample({ chunks: [], tokens: 1 }), end]],
    ['one_token', [sample({ chunks: [1000], tokens: 1 }), end]],
    ['chunks_are_not_tokens', [sample({ ...slow, tokens: 6 }), end]],
    ['cached', [sample({ ...slow, prompt: 10, cached: 8 }), end]],
    ['few_samples', [slow, end]],
    ['tail', [slow, sample({ at: 50, end: 200, tokens: 2, chunks: [1, 1] }), end]],
  ])('%s when it holds', (id, more) => {
    expect(ids(...more)).toContain(id);
  });

  it('only then', () => {
    const steady = Array.from({ length: 400 }, (_, n) =>
      sample({ n, at: n * 100, chunks: [90_000, 9000], end: 100, tokens: 2, prompt: 9, cached: 0 }),
    );
    expect(ids(...steady, end)).toEqual([]);
  });
});
