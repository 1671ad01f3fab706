import type { Survey } from '../checks/node-check.js';
import type { Config } from '../config/config.js';
import { settingsOf } from '../config/settings.js';
import { examine } from '../fleet/examine.js';
import { surveyExisting } from '../fleet/existing.js';
import { examined } from '../fleet/gather.js';
import { openHosts } from '../fleet/open.js';
import { clusterState } from '../fleet/state.js';
import { say } from '../say.js';
import type { ClusterRecord } from '../targets/cluster-record.js';
import type { Input } from '../verb.js';
import type { World } from '../world.js';
import { clusterJson, showCluster } from './cluster-state.js';

/** Hosts that cannot be reached are part of the answer. */
export async function statusCluster(
  { name, wish, kubeconfig }: ClusterRecord,
  input: Input,
  world: World,
): Promise<'problem' | undefined> {
  const { config } = await settingsOf(world, wish.file, wish.overrides);
  const survey = await world.ui.wait(say('Looking at the cluster', '正在查看集群'), () =>
    kubeconfig === undefined ? surveyHosts(config, world) : surveyExisting(kubeconfig, config.kubernetes, world),
  );
  const now = clusterState(survey);
  if (input.json) world.ui.out(`${JSON.stringify(clusterJson(name, now), null, 2)}\n`);
  else showCluster(name, now, world);
  return now.state === 'ready' ? undefined : 'problem';
}

async function surveyHosts(config: Config, world: World): Promise<Survey> {
  const fleet = await openHosts(config, world);
  try {
    return await examine(fleet.hosts.map(examined), config.kubernetes, fleet.parallel, world);
  } finally {
    await fleet.close();
  }
}
