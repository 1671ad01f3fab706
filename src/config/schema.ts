/**
 * The vocabulary that deepseek.yaml is described with. A description is a value: the check, the JSON Schema, the
 * commented example and the TypeScript type all come from it.
 */
import type { Text } from '../say.js';

declare const holds: unique symbol;

/** Carries the type of what a valid file gives; nothing at run time. */
export interface Holds<T> {
  readonly [holds]?: T;
}

export type Infer<N> = N extends Holds<infer T> ? T : never;

interface Said {
  readonly says: Text;
  /** Must be in the file. */
  readonly required?: boolean;
  /** Stands in the commented example as a setting, not as a comment. */
  readonly shown?: boolean;
}

export interface ObjectNode extends Said {
  readonly kind: 'object';
  readonly fields: Readonly<Record<string, Node>>;
  /** Not there unless it is given; else it is made of its defaults. */
  readonly optional?: boolean;
  /** Groups of fields of which one at most may be given. */
  readonly exclusive?: readonly (readonly string[])[];
}

export interface ListNode extends Said {
  readonly kind: 'list';
  readonly of: Node;
  readonly min?: number;
  readonly max?: number;
  readonly initial?: readonly unknown[];
}

export interface MapNode extends Said {
  readonly kind: 'map';
  readonly of: Node;
  readonly keys: Pattern;
  readonly initial?: Readonly<Record<string, unknown>>;
}

export interface Pattern {
  /** Without flags; matched against the whole text. JSON Schema takes it as it is. */
  readonly regexp: string;
  /** 'lower-case letters, digits and -' */
  readonly means: Text;
}

export interface StringNode extends Said {
  readonly kind: 'string';
  readonly pattern?: Pattern;
  /** Characters. */
  readonly min?: number;
  readonly max?: number;
  readonly initial?: string;
  readonly example?: string;
}

export interface PathNode extends Said {
  readonly kind: 'path';
  /** A secret is in it: nobody but its owner may read it. */
  readonly secret?: boolean;
  /** A file must be there when the configuration is read. */
  readonly mustExist?: boolean;
  readonly initial?: string;
  readonly example?: string;
}

export interface NumberNode extends Said {
  readonly kind: 'integer' | 'number';
  readonly min?: number;
  readonly max?: number;
  readonly initial?: number;
}

export interface BooleanNode extends Said {
  readonly kind: 'boolean';
  readonly initial?: boolean;
}

export interface EnumNode extends Said {
  readonly kind: 'enum';
  readonly values: readonly (string | number)[];
  readonly initial?: string | number;
}

/** A number with a unit; its value is in the base unit: milliseconds, bytes. */
export interface UnitNode extends Said {
  readonly kind: 'duration' | 'bytes';
  /** In the base unit. */
  readonly min?: number;
  readonly max?: number;
  /** As it is written: '30s', '1MiB'. */
  readonly initial?: string;
}

export interface EitherNode extends Said {
  readonly kind: 'either';
  readonly of: readonly Node[];
  readonly initial?: unknown;
}

export type Node =
  | ObjectNode
  | ListNode
  | MapNode
  | StringNode
  | PathNode
  | NumberNode
  | BooleanNode
  | EnumNode
  | UnitNode
  | EitherNode;

type Has<O, T> = O extends { initial: NonNullable<unknown> } | { required: true } ? T : T | undefined;
type Of<N extends { readonly kind: string }> = Omit<N, 'kind'>;
type Fields = Readonly<Record<string, Node>>;
type Values<F> = { readonly [K in keyof F]: Infer<F[K]> };

const kind =
  <T, N extends Node>(name: N['kind']) =>
  <const O extends Of<N>>(of: O): N & Holds<Has<O, T>> =>
    ({ kind: name, ...of }) as unknown as N & Holds<Has<O, T>>;

export const string = kind<string, StringNode>('string');
/** A file or folder of this machine. Relative ones start at the folder of the configuration, from a flag at the current one. */
export const path = kind<string, PathNode>('path');
export const integer = kind<number, NumberNode>('integer');
export const number = kind<number, NumberNode>('number');
export const boolean = kind<boolean, BooleanNode>('boolean');
/** '500ms', '30s', '5m', '2h', '7d'; its value is in milliseconds. */
export const duration = kind<number, UnitNode>('duration');
/** 4096, '64KiB', '10MB'; its value is in bytes. */
export const bytes = kind<number, UnitNode>('bytes');

/** A file that holds a secret; refused when others than its owner may read it. */
export const secretFile = <const O extends Omit<Of<PathNode>, 'secret' | 'mustExist'>>(
  of: O,
): PathNode & Holds<Has<O, string>> => ({
  kind: 'path',
  secret: true,
  mustExist: true,
  ...of,
});

/** A TCP port. */
export const port = <const O extends Omit<Of<NumberNode>, 'min' | 'max'>>(
  of: O,
): NumberNode & Holds<Has<O, number>> => ({
  kind: 'integer',
  min: 1,
  max: 65_535,
  ...of,
});

export const oneOf = <const V extends string | number, const O extends Omit<Of<EnumNode>, 'values'> & { initial?: V }>(
  values: readonly V[],
  of: O,
): EnumNode & Holds<Has<O, V>> => ({ kind: 'enum', values, ...of });

/** The first of these that the value fits. */
export const either = <const N extends Node, const O extends Omit<Of<EitherNode>, 'of'>>(
  nodes: readonly N[],
  of: O,
): EitherNode & Holds<Has<O, Exclude<Infer<N>, undefined>>> => ({ kind: 'either', of: nodes, ...of });

export const list = <N extends Node, const O extends Omit<Of<ListNode>, 'of'>>(
  node: N,
  of: O,
): ListNode & Holds<Has<O, readonly Exclude<Infer<N>, undefined>[]>> => ({ kind: 'list', of: node, ...of });

export const map = <N extends Node, const O extends Omit<Of<MapNode>, 'of'>>(
  node: N,
  of: O,
): MapNode & Holds<Has<O, Readonly<Record<string, Exclude<Infer<N>, undefined>>>>> => ({
  kind: 'map',
  of: node,
  ...of,
});

export const object = <F extends Fields, const O extends Omit<Of<ObjectNode>, 'fields'>>(
  fields: F,
  of: O,
): ObjectNode & { readonly fields: F } & Holds<O extends { optional: true } ? Values<F> | undefined : Values<F>> => ({
  kind: 'object',
  fields,
  ...of,
});
