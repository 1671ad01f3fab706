/** One JSON line per event on standard error. Never a prompt, an answer or a key. */
export type Detail = Readonly<Record<string, unknown>>;
export type Log = (event: string, detail?: Detail, level?: 'info' | 'warn' | 'error') => void;

export const stderrLog: Log = (event, detail = {}, level = 'info') => {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...detail })}\n`);
};
