/** What the configuration says about limits and parameters, as the gateway takes it. */
import type { Config } from '../config/config.js';
import { cliTenant } from '../gateway/cli-key.js';
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

/** There also where it bounds nothing: a key may have limits of its own. */
export function limitsOf(config: Config): LimitOptions {
  const { key, tenant, perEngine, reserveTokens } = config.gateway.limits;
  return limitOptions({
    ...(Object.keys(bounds(key)).length > 0 ? { key: bounds(key) } : {}),
    ...(Object.keys(bounds(tenant)).length > 0 ? { tenant: bounds(tenant), tenants: { [cliTenant]: {} } } : {}),
    ...(perEngine === 'none' ? {} : { perEngine }),
    reserveTokens,
  });
}

export const validationOf = (config: Config): ValidationOptions => validationOptions(config.gateway.validation);
