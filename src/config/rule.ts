import { isDeepStrictEqual } from 'node:util';
import { say, type Text } from '../say.js';
import type { Config } from './config.js';
import { initial } from './initial.js';
import type { ObjectNode } from './schema.js';
import type { Where } from './tree.js';

export interface Finding {
  /** 'gateway.port' */
  readonly path: string;
  readonly text: Text;
}

/** What no single field can tell. `given` has the paths that the file or a flag sets, with where. */
export type Rule = (config: Config, given: ReadonlyMap<string, Where>) => readonly Finding[];

/** Settings of a section that is not switched on, and does not say so itself: somebody takes it for on. */
export const unused =
  (name: 'cache' | 'breaker', section: ObjectNode): Rule =>
  ({ gateway }, given) => {
    const path = `gateway.${name}`;
    if (gateway[name].enabled || given.has(`${path}.enabled`)) return [];
    const usual = initial(section) as Readonly<Record<string, unknown>>;
    const text = say(`is of no use without ${path}.enabled: true`, `未设 ${path}.enabled: true 时无效`);
    return Object.entries(gateway[name])
      .filter(([key, value]) => !isDeepStrictEqual(value, usual[key]))
      .map(([key]) => ({ path: `${path}.${key}`, text }));
  };
