/** A command of the CLI as a value: `cli.ts` lists them, and loads the file of the one that was typed. */
import type { Exit } from './errors.js';
import type { Text } from './say.js';
import type { World } from './world.js';

export interface Option {
  /** As commander reads it: '--port <number>', '-f, --follow', '--hub <hub>'. */
  readonly flags: string;
  readonly says: Text;
  readonly choices?: readonly string[];
  /** Shown in the help; the verb itself applies it. */
  readonly initial?: string | number;
  /** 'integer' and 'number' refuse anything else as a usage error; 'list' may be given several times. */
  readonly kind?: 'integer' | 'number' | 'list';
  readonly min?: number;
  readonly max?: number;
  readonly hidden?: boolean;
}

export interface Argument {
  /** '<file>' is needed, '[name]' is not, '[name...]' takes several. */
  readonly name: string;
  readonly says: Text;
}

export type Value = string | number | boolean | readonly string[] | undefined;

export interface Input {
  readonly args: readonly string[];
  /** By camelCased long name; undefined when it was not given. */
  readonly options: Readonly<Record<string, Value>>;
  /** One JSON document on standard output, and nothing else there. */
  readonly json: boolean;
  /** Nothing is asked: every question has its default, every confirm is yes. */
  readonly yes: boolean;
  readonly verbose: boolean;
}

export interface Verb {
  readonly args?: readonly Argument[];
  readonly options?: readonly Option[];
  /** Sub-commands instead of a run of its own: `keys create`. */
  readonly verbs?: readonly { readonly name: string; readonly says: Text; readonly verb: Verb }[];
  readonly examples?: readonly { readonly line: string; readonly says: Text }[];
  /** The exit by its name; nothing means 'ok'. */
  run?(input: Input, world: World): Promise<Exit | undefined>;
}
