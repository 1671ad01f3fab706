/** The table of contents of `doctor`: every check of a host, of the hosts together and of the cluster, and their verdicts. */
import { say, type Text } from '../say.js';
import { standing, type Verdict } from './check.js';
import { diagnose } from './gpu.js';
import type { Diagnosis } from './gpu-diagnosis.js';
import { evidenceOf } from './gpu-evidence.js';
import { faultChecks } from './gpu-faults.js';
import { noteChecks } from './gpu-notes.js';
import { remedies } from './gpu-remedies.js';
import { boardChecks } from './node-boards.js';
import {
  type NodeCheck,
  type NodeVerdict,
  type NodeView,
  type Patient,
  phaseOf,
  type Survey,
  verdictOf,
} from './node-check.js';
import { clusterChecks } from './node-cluster.js';
import { criChecks } from './node-cri.js';
import { driverChecks } from './node-driver.js';
import { groundChecks } from './node-ground.js';
import { kubeletChecks } from './node-kubelet.js';
import { machineChecks } from './node-machine.js';
import { netChecks } from './node-net.js';
import { offerChecks } from './node-offer.js';
import { podChecks } from './node-pods.js';
import { togetherChecks } from './node-together.js';

export const hostChecks: readonly NodeCheck<Patient>[] = [
  ...machineChecks,
  ...groundChecks,
  ...netChecks,
  ...driverChecks,
  ...boardChecks,
  ...criChecks,
  ...kubeletChecks,
  ...podChecks,
];

export const surveyChecks: readonly NodeCheck<Survey>[] = [...togetherChecks, ...clusterChecks, ...offerChecks];

/** What the diagnosis of GPUs may find; about an output that somebody pasted it has more to say. */
const pastedOnly = new Set(['gpu.help-text', 'gpu.bad-query', 'gpu.partial']);
const diagnosisIds = [...Object.keys(remedies), ...[...faultChecks, ...noteChecks].map(({ id }) => id)];
export const gpuIds: readonly string[] = ['gpu.health', ...new Set(diagnosisIds)].filter((id) => !pastedOnly.has(id));

/** Every id that `doctor` can say, each a heading of docs/doctor.md. */
export const doctorIds: readonly string[] = [...hostChecks, ...surveyChecks].map(({ id }) => id).concat(gpuIds);

export interface NodeOutcome {
  /** Absent for what the hosts show together. */
  readonly host?: string;
  readonly check: Pick<NodeCheck<never>, 'id' | 'title' | 'severity'>;
  readonly verdict: Verdict & NodeVerdict;
}

export const stands = ({ check, verdict }: NodeOutcome): ReturnType<typeof standing> =>
  standing({ check, verdict, ms: 0 });

/** What installing the driver mends: with it comes a reboot that nouveau is kept out of. */
const driverMends = /^gpu\.((driver|smi|library)-missing|driver-mismatch|nouveau)$/;

const gpuTitle = say('The GPUs are well', 'GPU 正常');

/** Worth more than a note where models are to be served. */
const promoted = new Set(['gpu.mig', 'gpu.persistence']);

function ofDiagnosis({ id, severity, found, why, cure }: Diagnosis, { survey }: Patient): Omit<NodeOutcome, 'host'> {
  const check = { id, title: gpuTitle, severity: severity === 'fault' ? ('fail' as const) : ('warn' as const) };
  if (severity === 'note' && !promoted.has(id)) return { check, verdict: { state: 'ok', note: found } };
  const whole: Text = why ? say(`${found.en} ${why.en}`, `${found.zh}${why.zh}`) : found;
  const installs = survey.wanted.driver === 'install' && driverMends.test(id);
  return { check, verdict: { state: 'problem', found: whole, hint: cure, ...(installs ? { byInit: true } : {}) } };
}

function gpuOutcomes(patient: Patient): Omit<NodeOutcome, 'host'>[] {
  const { diagnoses, hasGpu, facts } = patient;
  const told = diagnoses.filter(({ id }) => !pastedOnly.has(id)).map((one) => ofDiagnosis(one, patient));
  if (told.some(({ verdict }) => verdict.state === 'problem')) return told;
  const check = { id: 'gpu.health', title: gpuTitle, severity: 'fail' as const };
  if (hasGpu && facts.host.gpu !== undefined) return [{ check, verdict: { state: 'ok' } }, ...told];
  return [{ check, verdict: verdictOf(facts.host.pci === undefined ? undefined : 'aside') }];
}

function patientOf(view: NodeView, survey: Survey): Patient {
  const { host } = view.facts;
  const boards = (host.pci ?? []).filter(({ kind }) => kind === 'gpu').length;
  return {
    ...view,
    survey,
    phase: phaseOf(view.facts),
    // Where the bus was not looked at, tools that are missing tell nothing.
    diagnoses: diagnose({ ...evidenceOf(host), pci: host.pci ?? [] }),
    hasGpu: boards > 0 || (host.gpu?.picture.gpus.length ?? 0) > 0,
  };
}

/** All verdicts, host by host and then of all together. Pure: nothing is asked here. */
export function judge(survey: Survey, only?: ReadonlySet<string>): NodeOutcome[] {
  const ofHosts = survey.nodes.flatMap((view) => {
    const patient = patientOf(view, survey);
    const outcomes = hostChecks.map((check) => ({ check, verdict: verdictOf(check.look(patient)) }));
    const gpus = view.unreachable ? [] : gpuOutcomes(patient);
    return [...outcomes, ...gpus].map((outcome) => ({ host: view.name, ...outcome }));
  });
  const together = surveyChecks.map((check) => ({ check, verdict: verdictOf(check.look(survey)) }));
  return [...ofHosts, ...together].filter(({ check }) => only?.has(check.id) ?? true);
}

/** What an install that is not finished cannot show yet. */
const afterInstall = /^(kubelet|cni|k8s|serve)\./;

/**
 * What stands against an install on these hosts: every check that fails, without what the install brings about by
 * itself and what only a finished one can show. The preflight of `init --target kubernetes`.
 */
export const nodeProblems = (survey: Survey): NodeOutcome[] =>
  judge({ ...survey, install: true }).filter(
    (outcome) => stands(outcome) === 'failed' && !outcome.verdict.byInit && !afterInstall.test(outcome.check.id),
  );
