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
  const own = Object.entries(config.gateway.limits.tenants).map(([name, given]) => [name, bounds(given)] as const);
  const bounded = Object.keys(bounds(tenant)).length > 0;
  const tenants = Object.fromEntries([...(bounded ? [[cliTenant, {}] as const] : []), ...own]);
  return limitOptions({
    ...(Object.keys(bounds(key)).length > 0 ? { key: bounds(key) } : {}),
    ...(bounded ? { tenant: bounds(tenant) } : {}),
    ...(Object.keys(tenants).length > 0 ? { tenants } : {}),
    ...(perEngine === 'none' ? {} : { perEngine }),
    reserveTokens,
  });
}

export const validationOf = (config: Config): ValidationOptions => validationOptions(config.gateway.validation);
