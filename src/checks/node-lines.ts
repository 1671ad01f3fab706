/** Verdicts for people: host by host, what is wrong first, the rest as a number; and the one JSON document. */
import { say, type Text } from '../say.js';
import { table } from '../table.js';
import type { Pen } from './lines.js';
import { type NodeOutcome, stands } from './node.js';
import { listed, type NodeView, type Phase, phaseOf, type Survey } from './node-check.js';

const phases: Readonly<Record<Phase, Text>> = {
  before: say('not set up yet', '尚未安装'),
  during: say('the kubelet is there, not yet in a cluster', '已安装 kubelet，尚未加入集群'),
  after: say('in a cluster', '已加入集群'),
};

const ranks = { failed: 0, warned: 1, skipped: 2, ok: 2 } as const;

function problemLines({ check, verdict }: NodeOutcome, pen: Pen): string[] {
  if (verdict.state !== 'problem') return [];
  const { paint, text } = pen;
  const failed = (verdict.severity ?? check.severity) === 'fail';
  const mark = failed ? paint.bad('✗') : paint.warn('!');
  const lines = [`  ${mark} ${text(verdict.found)}  ${paint.dim(check.id)}`];
  return verdict.hint ? [...lines, `    ${paint.accent('→')} ${text(verdict.hint)}`] : lines;
}

/** What `init` brings about is one line, and no problem: the install is there for it. */
const left = (outcomes: readonly NodeOutcome[], phase: Phase | undefined): NodeOutcome[] =>
  phase === 'before' ? outcomes.filter(({ verdict }) => verdict.byInit) : [];

function sumOf(outcomes: readonly NodeOutcome[], pen: Pen): string {
  const count = (state: string): number => outcomes.filter((one) => stands(one) === state).length;
  const unseen = outcomes.filter(({ verdict }) => verdict.state === 'skipped' && verdict.why.en === 'not known').length;
  const well = say(`${count('ok')} checks well`, `${count('ok')} 项正常`);
  const dark = unseen > 0 ? say(`, ${unseen} not known`, `，${unseen} 项无法得知`) : say('', '');
  return pen.text(say(well.en + dark.en, well.zh + dark.zh));
}

interface Block {
  readonly worst: 'ok' | 'warned' | 'failed';
  readonly name: string;
  readonly heading: string;
  /** How many checks are well, and how many not known. */
  readonly sum: string;
  readonly body: readonly string[];
}

function blockOf(
  { name, heading }: Pick<Block, 'name' | 'heading'>,
  outcomes: readonly NodeOutcome[],
  phase: Phase | undefined,
  pen: Pen,
): Block {
  const forInit = left(outcomes, phase);
  const problems = outcomes
    .filter((one) => one.verdict.state === 'problem' && !forInit.includes(one))
    .sort((a, b) => ranks[stands(a)] - ranks[stands(b)]);
  const { en, zh } = listed(forInit.map(({ check }) => check.id));
  const body = [
    ...problems.flatMap((one) => problemLines(one, pen)),
    ...(forInit.length > 0 ? [`  ${pen.paint.dim(pen.text(say(`init sees to: ${en}`, `init 会处理：${zh}`)))}`] : []),
  ];
  const states = problems.map(stands);
  const worst = states.includes('failed') ? 'failed' : states.length > 0 ? 'warned' : 'ok';
  return { worst, name, heading, sum: sumOf(outcomes, pen), body };
}

function headingOf({ name, address, facts, unreachable }: NodeView, pen: Pen): string[] {
  const phase = phaseOf(facts);
  return [
    pen.paint.strong(name),
    address ?? '',
    facts.host.os?.name ?? '',
    phase === undefined || unreachable ? '' : pen.text(phases[phase]),
  ];
}

const marks: Readonly<Record<Block['worst'], (pen: Pen) => string>> = {
  ok: ({ paint }) => paint.good('✓'),
  warned: ({ paint }) => paint.warn('!'),
  failed: ({ paint }) => paint.bad('✗'),
};

/** Hosts of which the same is to be said stand together: fifty that are alike take one explanation. */
function together(blocks: readonly Block[], pen: Pen): string[] {
  const groups = new Map<string, Block[]>();
  for (const block of blocks) {
    const said = block.body.join('\n');
    groups.set(said, [...(groups.get(said) ?? []), block]);
  }
  return [...groups.values()].flatMap((group) => [...headingsOf(group, pen), ...group[0]!.body]);
}

/** More hosts than these are told by their names alone. */
const manyHosts = 6;

function headingsOf(group: readonly Block[], pen: Pen): string[] {
  const mark = marks[group[0]!.worst](pen);
  if (group.length <= manyHosts) return group.map(({ heading, sum }) => `${mark} ${heading}  ${pen.paint.dim(sum)}`);
  const { en, zh } = listed(group.slice(0, manyHosts).map(({ name }) => name));
  const rest = group.length - manyHosts;
  const names = say(`${group.length} hosts: ${en} and ${rest} more`, `${group.length} 台主机：${zh} 等`);
  return [`${mark} ${pen.paint.strong(pen.text(names))}`];
}

/** @param docs where the headings of the checks are */
export function doctorLines(survey: Survey, outcomes: readonly NodeOutcome[], docs: string, pen: Pen): string[] {
  const views = survey.nodes.filter(({ name }) => outcomes.some(({ host }) => host === name));
  const headings = table(views.map((view) => headingOf(view, pen)));
  const blocks = views.map((view, at) =>
    blockOf(
      { name: view.name, heading: headings[at]! },
      outcomes.filter(({ host }) => host === view.name),
      phaseOf(view.facts),
      pen,
    ),
  );
  const of = outcomes.filter(({ host, verdict }) => host === undefined && verdict.state !== 'skipped');
  const title = pen.paint.strong(pen.text(say('all together', '整体')));
  const lines = [
    ...together(blocks, pen),
    ...(of.length > 0 ? together([blockOf({ name: '', heading: title }, of, undefined, pen)], pen) : []),
  ];
  if (outcomes.every(({ verdict }) => verdict.state !== 'problem')) return lines;
  const where = say(`Each id has its heading in ${docs}`, `每个编号在 ${docs} 中有对应的小节`);
  return [...lines, '', pen.paint.dim(pen.text(where))];
}

const english = (outcome: NodeOutcome) => {
  const { check, verdict } = outcome;
  return {
    id: check.id,
    title: check.title.en,
    state: stands(outcome),
    ...(verdict.state === 'problem' ? { found: verdict.found.en } : {}),
    ...(verdict.state === 'problem' && verdict.hint ? { hint: verdict.hint.en } : {}),
    ...(verdict.state === 'skipped' ? { why: verdict.why.en } : {}),
    ...(verdict.state === 'ok' && verdict.note ? { note: verdict.note.en } : {}),
    ...(verdict.byInit ? { byInit: true } : {}),
  };
};

/** Whether no promise is broken; what `init` brings about on a host that is not set up yet is no broken promise. */
export const isWell = (survey: Survey, outcomes: readonly NodeOutcome[]): boolean =>
  outcomes.every((outcome) => {
    const view = survey.nodes.find(({ name }) => name === outcome.host);
    const phase = view && phaseOf(view.facts);
    return stands(outcome) !== 'failed' || (phase === 'before' && outcome.verdict.byInit === true);
  });

/** `state` is 'ok', 'failed', 'warned' or 'skipped'; `phase` is 'before', 'during' or 'after' an install, null where it is not known. */
export const doctorJson = (survey: Survey, outcomes: readonly NodeOutcome[]) => ({
  well: isWell(survey, outcomes),
  hosts: survey.nodes.map(({ name, address, facts, unreachable }) => ({
    name,
    address: address ?? null,
    reached: unreachable === undefined,
    phase: phaseOf(facts) ?? null,
    checks: outcomes.filter(({ host }) => host === name).map(english),
  })),
  together: outcomes.filter(({ host }) => host === undefined).map(english),
});
