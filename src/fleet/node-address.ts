/** Which of a host's own addresses the other nodes reach it by. */
import { addressNumber, overlap, rangeOf } from '../config/cidr.js';
import type { NodeFacts } from '../probes/node.js';
import { isMade } from '../probes/node-identity.js';

type Found = Pick<NodeFacts, 'addresses' | 'routes'>;

/**
 * The address it is reached by from here when it is one of its own; else (an alias, a bastion, an address that a router
 * translates) one in the network of another host's, or that of the link with the default route.
 * @param given as the configuration has it
 * @param others the addresses of the other hosts
 * @returns undefined where no IPv4 address is known
 */
export function nodeAddress(
  { addresses, routes }: Found,
  given: string,
  others: readonly string[],
): string | undefined {
  const literal = addressNumber(given) !== undefined;
  if (literal && (addresses === undefined || addresses.some(({ address }) => address === given))) return given;
  const own = (addresses ?? []).filter(
    ({ link, address }) => addressNumber(address) !== undefined && !address.startsWith('127.') && !isMade(link),
  );
  const beside = own.find(({ address, prefix }) => {
    const network = rangeOf(`${address}/${prefix}`);
    return network !== undefined && others.some((other) => isWithin(other, network));
  });
  const way = routes?.find(({ to }) => to === 'default')?.link;
  return (beside ?? own.find(({ link }) => link === way) ?? own[0])?.address;
}

function isWithin(address: string, network: { from: number; to: number }): boolean {
  const at = addressNumber(address);
  return at !== undefined && overlap(network, { from: at, to: at });
}
