/** Outcomes of checks as lines for people, one as it ends and one at the end. */
import { say, type Text } from '../say.js';
import { columns, padEnd } from '../table.js';
import type { Paint } from '../world.js';
import { type Outcome, standing } from './check.js';

export interface Pen {
  readonly paint: Paint;
  text(text: Text): string;
}

/** @param checks all that may come, so that the columns stand still */
export function outcomePrinter(checks: readonly { readonly title: Text }[], pen: Pen): (outcome: Outcome) => string[] {
  const width = Math.max(0, ...checks.map(({ title }) => columns(pen.text(title))));
  const { paint, text } = pen;
  return (outcome) => {
    const { check, verdict, ms } = outcome;
    const marks = { ok: paint.good('✓'), warned: paint.warn('!'), failed: paint.bad('✗'), skipped: paint.dim('–') };
    const time = verdict.state === 'skipped' ? text(verdict.why) : `${Math.round(ms)} ms`;
    const note = verdict.state === 'ok' && verdict.note ? `${text(say(', ', '，'))}${text(verdict.note)}` : '';
    const lines = [`  ${marks[standing(outcome)]} ${padEnd(text(check.title), width)}  ${paint.dim(time + note)}`];
    if (verdict.state !== 'problem') return lines;
    lines.push(`      ${text(verdict.found)} ${paint.dim(`(${check.id})`)}`);
    if (verdict.hint) lines.push(`      ${paint.accent('→')} ${text(verdict.hint)}`);
    return lines;
  };
}

export function sumLine(counts: Readonly<Record<'ok' | 'failed' | 'warned' | 'skipped', number>>, pen: Pen): string {
  const { ok, failed, warned, skipped } = counts;
  const parts: [number, Text, (text: string) => string][] = [
    [ok, say(`${ok} passed`, `${ok} 项通过`), pen.paint.good],
    [failed, say(`${failed} failed`, `${failed} 项失败`), pen.paint.bad],
    [warned, say(`${warned} to look at`, `${warned} 项需留意`), pen.paint.warn],
    [skipped, say(`${skipped} skipped`, `${skipped} 项跳过`), pen.paint.dim],
  ];
  return parts
    .flatMap(([count, words, paint]) => (count > 0 ? [paint(pen.text(words))] : []))
    .join(pen.text(say(', ', '，')));
}
