import { type Command, isSupply, type Supply, show as showCommand } from '../command.js';
import type { UserError } from '../errors.js';
import type { Text } from '../say.js';
import type { Result, Upload, World } from '../world.js';

/** Content that is made when it is needed: a secret, or bytes too large for a plan. */
export interface Made {
  /** Shown in its place: 'tiny model, random weights'. */
  readonly name: string;
  make(): Promise<Uint8Array>;
}

export type Action =
  /** `failed`: what a status other than 0 means for the user; without it the command's own last lines are shown. */
  | { readonly kind: 'run'; readonly command: Command; readonly failed?: (result: Result) => UserError }
  | { readonly kind: 'dir'; readonly path: string; readonly mode: number; readonly owner?: number }
  | {
      readonly kind: 'write';
      readonly path: string;
      readonly mode: number;
      readonly content: string | Supply | Made;
      readonly owner?: number;
    }
  /** `orKeep`: what is at its new place already, by another's hand, is as good. */
  | { readonly kind: 'move'; readonly from: string; readonly to: string; readonly orKeep?: true }
  | { readonly kind: 'remove'; readonly path: string }
  /** A download; `sha256` is lower-case hex. */
  | {
      readonly kind: 'fetch';
      readonly url: string;
      readonly path: string;
      readonly sha256: string;
      readonly bytes: number;
    }
  /** Large files, from here to there; those that are there already are left out by whoever says so. */
  | {
      readonly kind: 'upload';
      /** Absolute. */
      readonly folder: string;
      /** Paths below the folder. */
      readonly files: readonly { readonly path: string; readonly content: Upload }[];
    }
  /** The supervisor is started, or reads its stack again. */
  | { readonly kind: 'supervise' }
  /** Asks until it is so; `until` answers true, or what is still missing. */
  | {
      readonly kind: 'wait';
      readonly what: Text;
      readonly until: (world: World) => Promise<true | Text>;
      readonly timeoutMs: number;
    };

/**
 * One thing that shall be so. `done` asks the machine for the wanted effect (the port answers), never for residue (a
 * file exists); `apply` says what brings it about, and does nothing itself.
 */
export interface Step<C> {
  /** Its id everywhere: in the journal, in --only and --skip, in errors, in the docs. */
  readonly id: string;
  readonly title: Text;
  /** False where what is wanted has no use for it: then it is in no list. Without it, always. */
  needed?(context: C): boolean;
  done(context: C, world: World): Promise<boolean>;
  apply(context: C, world: World): Promise<readonly Action[]>;
}

/** Thrown by `apply` when its actions cannot be told before another step is done; the plan says so. */
export class NotYet extends Error {
  constructor(readonly after: string) {
    super(`known after ${after}`);
  }
}

export const needed = <C>(steps: readonly Step<C>[], context: C): readonly Step<C>[] =>
  steps.filter((step) => step.needed?.(context) ?? true);

const tailLines = 12;

/** The last lines of what a command wrote, for people and for the journal. */
export const tail = ({ stdout, stderr }: Result): string =>
  `${stdout}\n${stderr}`
    .split('\n')
    .map((line) => line.trimEnd())
    .filter(Boolean)
    .slice(-tailLines)
    .join('\n');

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

const contentName = (content: string | Supply | Made): string =>
  typeof content === 'string'
    ? `${Buffer.byteLength(content)} bytes`
    : isSupply(content)
      ? `<${content.name}>`
      : content.name;

/** The action as one line; the dry run and the journal print the same. */
export function show(action: Action): string {
  switch (action.kind) {
    case 'run':
      return showCommand(action.command);
    case 'dir':
      return `make folder ${action.path} (${octal(action.mode)})`;
    case 'write':
      return `write ${action.path} (${octal(action.mode)}, ${contentName(action.content)})`;
    case 'move':
      return `move ${action.from} to ${action.to}`;
    case 'remove':
      return `remove ${action.path}`;
    case 'fetch':
      return `download ${action.url} to ${action.path} (${action.bytes} bytes, sha256 ${action.sha256})`;
    case 'upload': {
      const bytes = action.files.reduce((sum, { content }) => sum + content.bytes, 0);
      return `upload ${action.files.length} files (${bytes} bytes) to ${action.folder}`;
    }
    case 'supervise':
      return 'start the supervisor, or have it read its stack again';
    case 'wait':
      return `wait for ${action.what.en} (at most ${Math.round(action.timeoutMs / 1000)} s)`;
  }
}
