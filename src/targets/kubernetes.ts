/** Hosts reached over ssh become a cluster: the ordered list of what is done on each. */
import type { NodeStep } from '../steps/machine.js';

export const kubernetesSteps: readonly NodeStep[] = [];
