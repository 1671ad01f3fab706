/** Which of several control planes speaks for the cluster: one of them may be down. */
import type { Config } from '../config/config.js';
import { UserError } from '../errors.js';
import type { World } from '../world.js';
import { openHosts } from './open.js';

/** The first of the machines that a connection stands to; the first of all where none answers, which then tells why. */
export async function whoAnswers(config: Pick<Config, 'hosts'>, world: World): Promise<string> {
  const [first, ...others] = Object.keys(config.hosts.machines) as [string, ...string[]];
  if (others.length === 0) return first;
  const fleet = await openHosts(config, world);
  try {
    for (const { name, host } of fleet.hosts) {
      const stands = await host.connect().then(
        () => true,
        (error: unknown) => {
          if (error instanceof UserError) return false;
          throw error;
        },
      );
      if (stands) return name;
    }
    return first;
  } finally {
    await fleet.close();
  }
}
