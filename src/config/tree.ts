import type { Text } from '../say.js';

/** Where a value was written: a place in the file, or the flag of the command line. */
export type Where =
  | { readonly file: string; readonly line: number; readonly column: number }
  | { readonly flag: string };

/** What was written, before anybody knows what it should be. */
export interface Tree {
  readonly where: Where;
  readonly value: string | number | boolean | null | readonly Tree[] | ReadonlyMap<string, Branch>;
}

export interface Branch {
  readonly key: Where;
  readonly tree: Tree;
}

export interface Problem {
  /** 'gateway.port'; empty for the whole file. */
  readonly path: string;
  readonly where: Where;
  readonly text: Text;
}

export type Report = (problem: Problem) => void;

export const isBranches = (value: Tree['value']): value is ReadonlyMap<string, Branch> => value instanceof Map;
export const isList = (value: Tree['value']): value is readonly Tree[] => Array.isArray(value);

export const under = (path: string, key: string | number): string => (path === '' ? `${key}` : `${path}.${key}`);

export const isFlag = (where: Where | undefined): boolean => where !== undefined && 'flag' in where;
