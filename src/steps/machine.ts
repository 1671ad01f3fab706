/** One host of a cluster as the steps see it, and what the whole cluster shall be. */

import type { Bundle } from '../bundle/open.js';
import type { Role } from '../config/hosts.js';
import type { Kubernetes } from '../config/kubernetes.js';
import type { Package } from '../install/packages.js';
import type { Pinned } from '../install/pins.js';
import type { Sources } from '../install/sources.js';
import type { Action, Step } from '../plan/step.js';
import type { HostFacts } from '../probes/host.js';
import type { Text } from '../say.js';
import type { World } from '../world.js';

export interface Peer {
  /** The name of the node. */
  readonly name: string;
  /** Where the other nodes reach it: an IP address of its own. */
  readonly address: string;
  readonly roles: readonly Role[];
  /** It has GPUs of NVIDIA's. */
  readonly gpu: boolean;
}

export interface Cluster {
  readonly name: string;
  readonly settings: Kubernetes;
  /** Where packages, images and manifests come from. */
  readonly sources: Sources;
  /** What is sent to the hosts where `sources.bundle` says so; a verb that installs nothing does not open it. */
  readonly bundle?: Bundle;
  /** In the order of the configuration; the first control plane is the one that is made by `kubeadm init`. */
  readonly machines: readonly Peer[];
  /** The world of the first control plane: tokens are made there, and the API is asked there. */
  controlPlane(): World;
  /** The machine deepseek-deploy runs on: the package's templates, downloads. */
  readonly here: World;
}

export interface Machine extends Peer {
  /** Found before the plan was made; a step asks the host again for all that may have changed since. */
  readonly facts: HostFacts;
  readonly cluster: Cluster;
}

/** What a step takes from the network, or from a bundle in its place. */
export interface Brings {
  readonly packages?: readonly Package[];
  /** In full: 'registry.k8s.io/pause:3.10.2' */
  readonly images?: readonly string[];
  readonly manifests?: readonly Pinned[];
}

/** `first`: the control plane that makes the cluster, and the one place of what is done once for all. */
export type Where = 'every' | 'first' | 'joining' | 'gpu' | 'storage';

/**
 * A step of one host. Each host goes through its own list in order, beside the others; the World it is given is that
 * host's: `host` runs there, `files` lie there.
 */
export interface NodeStep extends Step<Machine> {
  readonly on: Where;
  /** Ids of steps that must be done on every host that has them before this one begins. */
  readonly after?: readonly string[];
  /** Hosts for which this holds take the step one after the other. */
  oneAtATime?(machine: Machine): boolean;
  /** Whatever it may take on this host; a bundle without it is refused before anything is touched. */
  brings?(machine: Machine): Brings;
  /**
   * What takes its effect away again, for `reset` and `node remove`: asked in the order of the list turned round, and
   * only what is ours is touched. Nothing to do is an empty list; without `undo` the effect stays.
   */
  undo?(machine: Machine, world: World): Promise<readonly Action[]>;
  /** What stays on the host after the undo, told to whoever resets it: 'the packages stay installed'. */
  readonly leaves?: Text;
  /** Where that stays, when it is not where the step is done. */
  readonly leavesOn?: Where;
}

export const isFirst = ({ name, cluster }: Machine): boolean =>
  cluster.machines.find(({ roles }) => roles.includes('control-plane'))?.name === name;

/** Whether NVIDIA's devices were seen, with or without a driver. */
export const hasGpu = (facts: HostFacts): boolean =>
  (facts.gpu?.picture.gpus.length ?? 0) > 0 || facts.pci?.some(({ kind }) => kind === 'gpu') === true;

/** Whether a step is one of this host's. */
export const isOn = (step: NodeStep, machine: Machine): boolean => isOf(step.on, machine);

export function isOf(where: Where, machine: Machine): boolean {
  switch (where) {
    case 'every':
      return true;
    case 'first':
      return isFirst(machine);
    case 'joining':
      return !isFirst(machine);
    case 'gpu':
      return machine.gpu;
    case 'storage':
      return machine.roles.includes('storage');
  }
}
