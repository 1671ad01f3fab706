/** A step whose effect is that packages are there, each in its version. */
import {
  install,
  installedCommand,
  installFailed,
  missing,
  type Package,
  readInstalled,
  remove,
} from '../install/packages.js';
import type { Repository } from '../install/sources.js';
import type { Action } from '../plan/step.js';
import type { World } from '../world.js';
import { outward, run, systemOf } from './at-node.js';
import type { Machine } from './machine.js';

/** Those of the packages that are still to be installed, or in another version. */
export async function lacking(
  packages: readonly Package[],
  machine: Machine,
  world: World,
): Promise<readonly Package[]> {
  const names = packages.map(({ name }) => name);
  const { stdout } = await world.host.run(installedCommand(systemOf(machine), names));
  return missing(packages, readInstalled(stdout));
}

export const areInstalled = async (packages: readonly Package[], machine: Machine, world: World): Promise<boolean> =>
  (await lacking(packages, machine, world)).length === 0;

/** All of them: a package of the same making fits its siblings. */
export const installAll = (id: string, packages: readonly Package[], machine: Machine, from?: Repository): Action =>
  run(install(systemOf(machine), packages, { from, env: outward(machine) }), installFailed(id, machine.name));

/** Those of them that were not there before us. */
export const removeAll = (id: string, packages: readonly Package[], machine: Machine): Action =>
  run(remove(systemOf(machine), packages), installFailed(id, machine.name));
