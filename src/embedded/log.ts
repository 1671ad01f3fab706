import { randomBytes } from 'node:crypto';

/** One JSON line per event on standard error. Never a prompt, an answer or a key. */
export type Detail = Readonly<Record<string, unknown>>;
export type Log = (event: string, detail?: Detail, level?: 'info' | 'warn' | 'error') => void;

export const stderrLog: Log = (event, detail = {}, level = 'info') => {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...detail })}\n`);
};

/** The caller's X-Request-Id where it is a sane one, so that its logs and ours can be laid side by side; else one of ours. */
export const requestId = (given: unknown): string =>
  typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomBytes(12).toString('hex');
