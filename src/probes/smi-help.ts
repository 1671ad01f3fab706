import type { Reading } from './gpu.js';

/** `--help-query-gpu` and its siblings, or `-h`: recognised so that it can be named; it says nothing about this machine. */
export function readHelp(lines: readonly string[]): Reading {
  const topic = /for the switch "--(query-[\w-]+)"/.exec(lines[0] ?? '')?.[1];
  return { form: topic ? `help-${topic}` : 'help', gpus: [] };
}
