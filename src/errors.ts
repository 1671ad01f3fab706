import type { Text } from './say.js';

/** What the shell sees. The README's table is tested against this one. */
export const exitCode = {
  ok: 0,
  /** A check found a problem: a fault was diagnosed, a smoke check failed, the deployment is not ready. */
  problem: 1,
  /** Flags, configuration or input that cannot be understood; nothing was touched. */
  usage: 2,
  /** This machine is not ready for what was asked; nothing was touched. */
  unready: 3,
  /** A step failed while it was applied; the next `init` carries on from there. */
  failed: 4,
  /** Another deepseek-deploy is at work on the same deployment. */
  busy: 5,
  /** A download failed, or its hash was wrong. */
  network: 6,
  /** A bug in deepseek-deploy. */
  bug: 70,
  /** Ctrl-C or SIGTERM. */
  interrupted: 130,
} as const;

export type Exit = keyof typeof exitCode;

export interface Advice {
  /** What to type or do next. */
  readonly hint?: Text;
  readonly exit?: Exit;
  readonly cause?: unknown;
  /** All problems when there are several; shown as a list under the message. */
  readonly details?: readonly Text[];
}

/**
 * Something the user can mend: what happened (`text`), why (`cause`, shown by --verbose), what to do next (`hint`).
 * Everything else that is thrown is a bug and shows its stack.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly hint: Text | undefined;
  readonly exit: Exit;
  readonly details: readonly Text[];

  /** @param id stable, dotted, English: the same id names the step, the check, the journal entry and the docs heading. */
  constructor(
    readonly id: string,
    readonly text: Text,
    advice: Advice = {},
  ) {
    super(text.en, advice.cause === undefined ? undefined : { cause: advice.cause });
    this.hint = advice.hint;
    this.exit = advice.exit ?? 'failed';
    this.details = advice.details ?? [];
  }
}

/** What was typed cannot be understood; nothing was touched. */
export const usageError = (id: string, text: Text, hint: Text): UserError =>
  new UserError(id, text, { hint, exit: 'usage' });
