/** What the configuration says about limits and parameters, as the gateway takes it. */
import type { Config } from '../config/config.js';
import {
  type LimitBounds,
  type LimitOptions,
  limitOptions,
  type ValidationOptions,
  validationOptions,
} from '../gateway/limits.js';

type Limits = Config['gateway']['limits'];

const bounds = (given: Limits['key']): LimitBounds =>
  Object.fromEntries(Object.entries(given).filter(([, most]) => most !== 'none'));

/** Undefined where nothing is limited. */
export function limitsOf(config: Config): LimitOptions | undefined {
  const { key, tenant, perEngine, reserveTokens } = config.gateway.limits;
  const given = {
    ...(Object.keys(bounds(key)).length > 0 ? { key: bounds(key) } : {}),
    ...(Object.keys(bounds(tenant)).length > 0 ? { tenant: bounds(tenant) } : {}),
    ...(perEngine === 'none' ? {} : { perEngine }),
  };
  return Object.keys(given).length > 0 ? limitOptions({ ...given, reserveTokens }) : undefined;
}

export const validationOf = (config: Config): ValidationOptions => validationOptions(config.gateway.validation);
