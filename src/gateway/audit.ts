/** Settings of the audit log, whole. */
export interface AuditOptions {
  /** While lines cannot be written, e.g. on a full disk: requests are refused with 503, or go on. */
  readonly onError: 'refuse' | 'continue';
  /** Whether prompts and answers are kept, sealed with AES-256-GCM. */
  readonly content: boolean;
  /** Of each prompt and of each answer at the most. */
  readonly contentBytes: number;
  /** Whether streams are asked for their usage, which callers get to see only when they ask for it themselves. */
  readonly streamTokens: boolean;
  /** A file is closed, and then sealed, at this size or at this age. */
  readonly rotateBytes: number;
  readonly rotateS: number;
}

/** Nothing is removed before; whoever is asked about an incident needs it that long. */
export const leastDays = 180;

export const auditOptions = (given: Partial<AuditOptions> = {}): AuditOptions => ({
  onError: 'continue',
  content: false,
  contentBytes: 256 * 1024,
  streamTokens: true,
  rotateBytes: 64 * 1024 * 1024,
  rotateS: 86_400,
  ...given,
});
