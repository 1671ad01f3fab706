import { describe, expect, it } from 'vitest';
import { type Line, lastChunk, ndjson, readLines, type Sample } from '../../src/bench/record.js';
import { sample, settings } from './samples.js';

const lines: Line[] = [
  { kind: 'run', version: 1, startedAt: '2026-11-24T00:00:00.000Z', settings },
  sample({ n: 0, chunks: [1000, 2000], tokens: 2 }),
  sample({ n: 1, chunks: [], failure: { cause: 'http.500', detail: 'line\nbreak "quoted" 你好' } }),
  { kind: 'end', why: 'done', lag: { p50: 0.1, p99: 1, max: 2 } },
];
const text = lines.map(ndjson).join('');

describe('records', () => {
  it('are read as they were written, one line each', () => {
    expect(text.split('\n')).toHaveLength(5);
    expect([...readLines(text)]).toEqual(lines);
  });

  it('that break off are read up to there', () => {
    for (const at of [1, 5, 30]) expect([...readLines(text.slice(0, -at))]).toHaveLength(at === 1 ? 4 : 3);
  });

  it.each([
    ['{"kind":"else"}', 1],
    ['7', 1],
    ['null', 1],
    [`${ndjson(lines[0]!)}not json`, 2],
    ['{"kind":"run","version":2,"settings":{}}', 1],
  ])('of somebody else are refused by their line: %s', (other, line) => {
    expect(() => [...readLines(`${other}\n${text}`)]).toThrowError(`Line ${line} is no record`);
  });
});

it('the last chunk is where the gaps lead', () => {
  expect(lastChunk(sample({ chunks: [1000, 500, 250] }))).toBe(1.75);
  expect(lastChunk({ chunks: [] as number[] } as unknown as Sample)).toBeUndefined();
});
