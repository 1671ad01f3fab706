import { describe, expect, it } from 'vitest';
import { Metrics } from '../../src/embedded/metrics.js';
import { engineMetrics } from '../../src/engines/embedded.js';

const load = { running: 2, waiting: 1, cacheUsage: 0.25 };

describe('metrics', () => {
  it('are there from the start, under the names we promise, each explained and typed', () => {
    const text = new Metrics('m').text(load);
    for (const name of Object.values(engineMetrics)) {
      expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
      expect(text).toMatch(new RegExp(`^# TYPE ${name} (gauge|counter|histogram)$`, 'm'));
      expect(text).toMatch(new RegExp(`^${name}(_count)?\\{model_name="m"`, 'm'));
    }
    expect(text.endsWith('\n')).toBe(true);
  });

  it('show the load', () => {
    const text = new Metrics('m').text(load);
    expect(text).toContain('vllm:num_requests_running{model_name="m"} 2\n');
    expect(text).toContain('vllm:num_requests_waiting{model_name="m"} 1\n');
    expect(text).toContain('vllm:kv_cache_usage_perc{model_name="m"} 0.25\n');
  });

  it('count ends by reason, zeros too', () => {
    const metrics = new Metrics('m');
    metrics.countEnd('abort');
    metrics.countEnd('abort');
    const text = metrics.text(load);
    expect(text).toContain('finished_reason="abort"} 2\n');
    expect(text).toContain('finished_reason="stop"} 0\n');
  });

  it('put values into every bucket that holds them', () => {
    const metrics = new Metrics('m');
    for (const value of [0.0004, 0.003, 999]) metrics.interToken.observe(value);
    const text = metrics.text(load);
    const bucket = (bound: string) =>
      Number(new RegExp(`^vllm:inter_token_latency_seconds_bucket\\{.*le="${bound}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
    expect(['0.0005', '0.0025', '0.005', '5', '\\+Inf'].map(bucket)).toEqual([1, 1, 2, 2, 3]);
    expect(text).toContain('vllm:inter_token_latency_seconds_sum{model_name="m"} 999.0034\n');
  });

  it('quote what a model may be called', () => {
    expect(new Metrics('a"b\\c\nd').text(load)).toContain('model_name="a\\"b\\\\c\\nd"');
  });
});
