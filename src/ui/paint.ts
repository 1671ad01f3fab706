import { Chalk } from 'chalk';
import type { Paint } from '../world.js';

/** @param level chalk's colour level: 0 none, 1 the sixteen, which follow the terminal's own theme. */
export function paint(level: 0 | 1): Paint {
  const chalk = new Chalk({ level });
  return {
    good: (text) => chalk.green(text),
    bad: (text) => chalk.red(text),
    warn: (text) => chalk.yellow(text),
    dim: (text) => chalk.dim(text),
    strong: (text) => chalk.bold(text),
    accent: (text) => chalk.cyan(text),
  };
}

/** NO_COLOR and FORCE_COLOR as on no-color.org and force-color.org; else colours where a terminal reads them. */
export function colourLevel(env: Readonly<Record<string, string | undefined>>, terminal: boolean): 0 | 1 {
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR === '0' ? 0 : 1;
  return env.NO_COLOR || env.TERM === 'dumb' || !terminal ? 0 : 1;
}
