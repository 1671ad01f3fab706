import { UserError } from './errors.js';
import { say, type Text } from './say.js';
import type { Ui } from './world.js';

/** The cause chain, outermost first, each on its line. */
function causes(error: unknown): string[] {
  const lines: string[] = [];
  for (let at = (error as Error)?.cause; at !== undefined && lines.length < 8; at = (at as Error)?.cause) {
    lines.push(at instanceof Error ? `${at.name}: ${at.message}` : String(at));
  }
  return lines;
}

function paragraph(mark: string, text: string): string {
  const [first, ...rest] = text.split('\n');
  return [`${mark} ${first}`, ...rest.map((line) => `  ${line}`)].join('\n');
}

/** What happened, all its parts, why (with --verbose), what to type next. */
export function showFailure(error: unknown, ui: Ui, verbose: boolean): void {
  const write = (text: string): void => ui.error(text);
  if (!(error instanceof UserError)) {
    showBug(error, ui);
    return;
  }
  write(paragraph(ui.paint.bad('✗'), ui.text(error.text)));
  for (const detail of error.details) write(paragraph('  •', ui.text(detail)));
  if (verbose) for (const cause of causes(error)) write(ui.paint.dim(`  ${ui.text(because)} ${cause}`));
  if (error.hint) write(paragraph(ui.paint.accent('→'), ui.text(error.hint)));
}

const because = say('because:', '原因：');

function showBug(error: unknown, ui: Ui): void {
  ui.error(
    `${ui.paint.bad('✗')} ${ui.text(say('This is a bug in deepseek-deploy.', '这是 deepseek-deploy 自身的缺陷。'))}`,
  );
  ui.error(ui.paint.dim(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  for (const cause of causes(error)) ui.error(ui.paint.dim(`  ${ui.text(because)} ${cause}`));
  const please: Text = say(
    'Please report it, with the lines above and a recording of this machine: deepseek-deploy probe --record FILE',
    '请报告此问题，并附上以上内容和本机记录：deepseek-deploy probe --record FILE',
  );
  ui.error(paragraph(ui.paint.accent('→'), ui.text(please)));
}

/** The same for machines: one JSON document on standard output. */
export function failureJson(error: unknown): string {
  const body =
    error instanceof UserError
      ? {
          id: error.id,
          message: error.text.en,
          ...(error.details.length > 0 ? { details: error.details.map((detail) => detail.en) } : {}),
          ...(error.hint ? { hint: error.hint.en } : {}),
        }
      : { id: 'bug', message: error instanceof Error ? error.message : String(error) };
  return JSON.stringify({ error: body }, null, 2);
}
