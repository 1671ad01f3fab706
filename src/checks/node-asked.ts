/** Checks of the cluster as its API tells it: asked on a control plane that has one. */
import type { Api, Objects, Said } from '../probes/node-cluster.js';
import type { Text } from '../say.js';
import { type Look, type NodeCheck, nodeCheck, type Survey } from './node-check.js';

export interface Asked {
  readonly survey: Survey;
  readonly api: Api;
  readonly objects: Objects | undefined;
  readonly said: Said | undefined;
}

/** The first host that holds a kubeconfig and was answered. */
function askedOf(survey: Survey): Asked | 'aside' | undefined {
  const node = survey.nodes.find(({ facts }) => facts.api !== undefined);
  if (node) return { survey, api: node.facts.api!, objects: node.facts.objects, said: node.facts.said };
  return survey.nodes.some(({ facts }) => facts.membership?.controlPlane || facts.membership === undefined)
    ? undefined
    : 'aside';
}

export const clusterCheck = (
  id: string,
  severity: 'fail' | 'warn',
  title: Text,
  look: Look<Asked>,
): NodeCheck<Survey> =>
  nodeCheck(id, severity, title, (survey) => {
    const asked = askedOf(survey);
    return asked === undefined || asked === 'aside' ? asked : look(asked);
  });

export const ofObjects = (
  id: string,
  severity: 'fail' | 'warn',
  title: Text,
  look: (objects: Objects, asked: Asked) => ReturnType<Look<Asked>>,
) =>
  clusterCheck(id, severity, title, (asked) => (asked.objects === undefined ? undefined : look(asked.objects, asked)));
