/** An action whose secrets are remembered as they are fetched, so that no word about it tells them. */
import { isSupply, type Supply } from '../command.js';
import type { Action } from './step.js';

export interface Watched {
  readonly action: Action;
  /** The text with each secret fetched so far as its name, `<join-token>`. */
  hide(text: string): string;
}

/** Shorter ones would hide ordinary words. */
const leastLength = 6;

export function watched(action: Action): Watched {
  const seen = new Map<string, string>();
  const watch = <T>(value: T): T =>
    isSupply(value) ? (watchSupply(value, (secret) => seen.set(secret, `<${value.name}>`)) as T) : value;
  return {
    action: watchAction(action, watch),
    hide: (text) => {
      let hidden = text;
      for (const [secret, name] of seen) if (secret.length >= leastLength) hidden = hidden.replaceAll(secret, name);
      return hidden;
    },
  };
}

const watchSupply = (supply: Supply, onSecret: (secret: string) => void): Supply => ({
  name: supply.name,
  async get() {
    const secret = await supply.get();
    onSecret(secret);
    // Output is read by lines, so a secret of several shows up line by line.
    for (const line of secret.split('\n')) onSecret(line.trim());
    return secret;
  },
});

function watchAction(action: Action, watch: <T>(value: T) => T): Action {
  if (action.kind === 'write') return { ...action, content: watch(action.content) };
  if (action.kind !== 'run') return action;
  const { stdin, env, ...command } = action.command;
  return {
    ...action,
    command: {
      ...command,
      ...(stdin === undefined ? {} : { stdin: watch(stdin) }),
      ...(env === undefined
        ? {}
        : { env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, watch(value)])) }),
    },
  };
}
