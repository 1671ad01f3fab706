import type { NewCredential } from './credential.js';

/** The key that the CLI itself calls its own gateway with (`smoke`, `bench`): made by `init`, 0600, id `cli`. */
export const cliKeyFile = (home: string): string => `${home}/gateway/cli-key`;

/** Without limits, also of a tenant's: a smoke test or a benchmark that is refused says nothing about the engine. */
export const cliTenant = 'cli';

export const newCliKey: NewCredential = {
  name: 'cli',
  tenant: cliTenant,
  limits: { requestsPerMinute: 'none', tokensPerMinute: 'none', tokensPerDay: 'none', concurrent: 'none' },
};
