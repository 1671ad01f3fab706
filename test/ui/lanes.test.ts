import { describe, expect, it } from 'vitest';
import { say } from '../../src/say.js';
import { stripAnsi } from '../../src/table.js';
import { type LaneState, laneLines, liveLanes, plainLanes } from '../../src/ui/lanes.js';
import { fakeWorld } from '../world/fake.js';

const lane = (name: string, state: LaneState['state'], more: Partial<LaneState> = {}): LaneState => ({
  ...{ name, state, steps: 12, at: 3, title: 'Install containerd', note: '', since: 0 },
  ...more,
});

function pen() {
  const { ui, clock } = fakeWorld();
  const lines: string[] = [];
  return { lines, pen: { paint: ui.paint, clock, text: ui.text, write: (line: string) => void lines.push(line) } };
}

describe('hosts side by side', () => {
  it('a line each, with the step in hand', () => {
    const lines = laneLines(
      [
        lane('cp', 'working', { note: 'fetching' }),
        lane('gpu-1', 'waiting', { title: 'waits for cp' }),
        lane('gpu-2', 'done'),
      ],
      { rows: 24, columns: 80, now: 5000 },
      pen().pen,
    );
    expect(lines.map((line) => line.slice(2))).toEqual([
      'cp      3/12  Install containerd  5 s  fetching',
      'gpu-1   3/12  waits for cp',
      'gpu-2   3/12  Install containerd',
    ]);
  });

  it('no line is wider than the terminal, in any writing', () => {
    const [line] = laneLines(
      [lane('cp', 'working', { title: '安装容器运行时'.repeat(9) })],
      { rows: 9, columns: 40, now: 0 },
      pen().pen,
    );
    expect([...line!].reduce((sum, one) => sum + (one > '\u2e80' ? 2 : 1), 0)).toBeLessThanOrEqual(40);
    expect(line).toContain('…');
  });

  it('fifty hosts stay calm: what failed and what is at work, and a count', () => {
    const lanes = Array.from({ length: 50 }, (_, at) =>
      lane(`host-${at}`, at < 30 ? 'done' : at < 45 ? 'working' : at === 49 ? 'failed' : 'waiting'),
    );
    const lines = laneLines(lanes, { rows: 12, columns: 80, now: 0 }, pen().pen);
    expect(lines).toHaveLength(11);
    expect(lines[0]).toContain('host-49');
    expect(lines.at(-1)).toBe('50 hosts: 30 done, 15 at work, 4 waiting, 1 failed');
  });

  it('on a terminal each frame takes the place of the one before', async () => {
    const { pen: its } = pen();
    const raw: string[] = [];
    const sink = liveLanes(
      [{ name: 'a', steps: 2 }],
      its,
      (text) => void raw.push(text),
      () => ({ rows: 9, columns: 80 }),
    );
    sink.begin('a', say('One', '一'), 1);
    sink.end('a', 'done');
    await sink.close();
    expect(stripAnsi(raw.at(-1)!)).toContain('✔ a');
  });

  it('elsewhere a line per finished step, and one at the end', () => {
    const { pen: its, lines } = pen();
    const sink = plainLanes(
      [
        { name: 'a', steps: 2 },
        { name: 'gpu-1', steps: 1 },
      ],
      its,
    );
    sink.begin('a', say('One', '一'), 1);
    sink.note('a', say('a word', '话'));
    sink.finish('a', say('One', '一'), 3000);
    sink.wait('gpu-1', say('waits', '等待'));
    sink.end('a', 'failed', say('Two', '二'));
    sink.end('gpu-1', 'blocked', say('waits for a', '等待 a'));
    expect(lines).toEqual(['✔ a      One  3 s', '✗ a      Two', '‖ gpu-1  waits for a']);
  });
});
