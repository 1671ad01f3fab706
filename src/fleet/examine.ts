/** Every host is asked all there is to ask, at once; then each whether it reaches the others. Read-only. */
import type { NodeView, Survey } from '../checks/node-check.js';
import type { Role } from '../config/hosts.js';
import type { Kubernetes } from '../config/kubernetes.js';
import { UserError } from '../errors.js';
import { many } from '../plan/many.js';
import { askNode, type NodeFacts, readNode } from '../probes/node.js';
import { holder } from '../probes/node-holder.js';
import { peers, type Way } from '../probes/node-peers.js';
import { ask } from '../probes/probe.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { nodeAddress } from './node-address.js';

export interface Examined {
  readonly name: string;
  /** Where it is reached from here; absent for this machine alone. */
  readonly address?: string;
  readonly roles: readonly Role[];
  /** `host` runs there. */
  readonly world: Pick<World, 'host' | 'places' | 'clock'>;
  /** Opens the connection. @throws UserError, which becomes the finding */
  connect?(): Promise<void>;
}

const nothing: NodeFacts = { host: { usable: {} } };

async function factsOf({ world, connect }: Examined): Promise<Pick<NodeView, 'facts' | 'unreachable'>> {
  try {
    await connect?.();
    return { facts: readNode(await askNode(world)) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { id, text, hint } = error;
    return { facts: nothing, unreachable: { id, text, ...(hint ? { hint } : {}) } };
  }
}

/** Each host tries so many of the others, the control planes among them: with all of them it would be their square. */
const tries = 10;

const overlayAddress = ({ facts }: NodeView): string | undefined =>
  facts.addresses?.find(({ link }) => link === 'flannel.1')?.address;

function waysFrom(view: NodeView, all: readonly NodeView[]): Way[] {
  const at = all.indexOf(view);
  const others = [...all.slice(at + 1), ...all.slice(0, at)].filter(({ unreachable }) => !unreachable);
  const first = others.filter(({ roles }) => roles.includes('control-plane'));
  const tried = [...new Set([...first, ...others])].slice(0, tries);
  return tried.flatMap((other): Way[] => {
    const inside = overlayAddress(view) === undefined ? undefined : overlayAddress(other);
    return [
      ...(other.address === undefined ? [] : [{ to: other.name, address: other.address, by: 'host' as const }]),
      ...(inside === undefined ? [] : [{ to: other.name, address: inside, by: 'pods' as const }]),
    ];
  });
}

/** Asked on a control plane, and only while none of the hosts has the address. */
async function holderOf(
  hosts: readonly Examined[],
  views: readonly NodeView[],
  { virtualAddress }: Kubernetes,
): Promise<Pick<Survey, 'holder'>> {
  const first = views.find(({ unreachable, roles }) => !unreachable && roles.includes('control-plane'));
  if (first === undefined || virtualAddress === undefined) return {};
  if (views.some(({ facts }) => facts.addresses?.some(({ address }) => address === virtualAddress))) return {};
  const probe = holder(virtualAddress);
  const { host } = hosts.find(({ name }) => name === first.name)!.world;
  const found = probe.read(await ask(host, probe.command));
  return found === undefined ? {} : { holder: { ...found, askedOn: first.name } };
}

/**
 * A host that cannot be reached is a finding, not an error.
 * @param limit how many hosts at once
 */
export async function examine(
  hosts: readonly Examined[],
  wanted: Kubernetes,
  limit: number,
  world: Pick<World, 'clock' | 'stop'>,
): Promise<Survey> {
  const gathered = await many(hosts, limit, factsOf, { signal: world.stop });
  const views = gathered.map((outcome): NodeView => {
    if (outcome.state === 'failed') throw outcome.error;
    if (outcome.state === 'skipped')
      throw new UserError('interrupted', say('Stopped; nothing was changed.', '已停止，未做任何更改。'), {
        exit: 'interrupted',
      });
    const { name, address: given, roles } = outcome.host;
    if (given === undefined) return { name, roles, ...outcome.value };
    const others = hosts.flatMap((host) => (host.name === name ? [] : (host.address ?? [])));
    const address = nodeAddress(outcome.value.facts, given, others) ?? given;
    return { name, roles, given, address, ...outcome.value };
  });
  const reaching = many(views, limit, async (view) => {
    const ways = view.unreachable ? [] : waysFrom(view, views);
    if (ways.length === 0) return view;
    const probe = peers(ways);
    const from = hosts.find(({ name }) => name === view.name)!;
    return { ...view, reached: probe.read(await ask(from.world.host, probe.command)) };
  });
  const [asked, held] = await Promise.all([reaching, holderOf(hosts, views, wanted)]);
  const nodes = asked.map((outcome, at) => (outcome.state === 'done' ? outcome.value : views[at]!));
  return { nodes, wanted, ...held, now: world.clock.now() };
}
