import { createHash } from 'node:crypto';
import { engineCommand, engineConfig, engineReadyUrl } from '../engines/embedded.js';
import { runtimeDir, runtimeFor } from '../engines/runtime.js';
import { UserError } from '../errors.js';
import { gatewayCommand } from '../gateway/files.js';
import type { Action, Step } from '../plan/step.js';
import { say, type Text } from '../say.js';
import { type ProcessSpec, type Stack, stackFile } from '../supervisor/stack.js';
import { readSupervision } from '../supervisor/status.js';
import type { World } from '../world.js';
import { gatewayPlan } from './gateway.js';
import { revisionOf } from './settings.js';
import { engineKeyFile, logFile, type Setup } from './setup.js';

/** A model of many gigabytes is read from a slow disk once. */
const loadMs = 30 * 60_000;
const engineDrainSeconds = 30;
const engineGraceMs = engineDrainSeconds * 1000 + 15_000;
const gatewayGraceMs = 30_000;
const maxLogBytes = 16 << 20;

const engineConfigFile = (home: string): string => `${home}/engine/engine.json`;

/** An engine whose configuration or weights changed is another process: the supervisor then replaces it. */
const made = (...texts: string[]): Record<string, string> => {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text).update('\0');
  return { DEEPSEEK_DEPLOY_MADE: hash.digest('hex').slice(0, 16) };
};

async function engineText(setup: Setup, world: World): Promise<string> {
  const { home } = setup.places;
  const { threads, sequences, contextSize, queue } = setup.config.engine;
  return engineConfig({
    ...setup.engine,
    runtime: runtimeDir(setup.places, await runtimeFor(world)),
    model: { id: setup.model.id, file: setup.model.file },
    keyFile: engineKeyFile(home),
    threads,
    sequences,
    contextSize,
    queue,
    demo: setup.model.source.kind === 'demo',
    drainSeconds: engineDrainSeconds,
  });
}

const engine = (setup: Setup, config: string, revision: string): ProcessSpec => ({
  id: 'engine',
  argv: engineCommand(setup.places, engineConfigFile(setup.places.home)).argv,
  env: made(config, revision),
  log: logFile(setup.places.home, 'engine'),
  ready: { url: engineReadyUrl(setup.engine), everyMs: 5000, withinMs: loadMs },
  stop: { signal: 'SIGTERM', graceMs: engineGraceMs },
});

async function gateway(setup: Setup, world: World): Promise<ProcessSpec> {
  const plan = await gatewayPlan(setup, world);
  return {
    id: 'gateway',
    argv: gatewayCommand(plan).argv,
    cwd: plan.directory,
    log: logFile(setup.places.home, 'gateway'),
    // The admin port tells of the gateway alone, whatever becomes of the engine.
    ready: { url: `http://127.0.0.1:${setup.gateway.adminPort}/metrics`, everyMs: 5000, withinMs: 30_000 },
    stop: { signal: 'SIGQUIT', graceMs: gatewayGraceMs },
    after: ['engine'],
  };
}

async function wanted(setup: Setup, world: World): Promise<{ readonly config: string; readonly stack: string }> {
  const config = await engineText(setup, world);
  const stack: Stack = {
    version: 1,
    processes: [engine(setup, config, await revisionOf(setup, world)), await gateway(setup, world)],
    logs: { maxBytes: maxLogBytes, keep: 3 },
  };
  return { config, stack: `${JSON.stringify(stack, null, 2)}\n` };
}

const running: Text = say('engine and gateway', '引擎和网关');

async function allReady(world: World): Promise<true | Text> {
  const now = await readSupervision(world);
  if (now.state === 'ready') return true;
  const crashing = now.processes.find(({ state }) => state === 'crashing');
  if (!crashing) return now.reason;
  throw new UserError(`${crashing.id}.crashing`, crashing.reason ?? now.reason, {
    details: crashing.lines.map((line) => say(line, line)),
    hint: say(
      `See all it wrote: deepseek-deploy logs ${crashing.id}`,
      `查看完整日志：deepseek-deploy logs ${crashing.id}`,
    ),
  });
}

export const stack: Step<Setup> = {
  id: 'stack.up',
  title: say('Engine and gateway running', '引擎和网关运行'),
  async done(setup, world) {
    const there = await world.files.readIfAny(stackFile(setup.places.home));
    const now = there === undefined ? undefined : await readSupervision(world);
    return now?.state === 'ready' && there === (await wanted(setup, world)).stack;
  },
  async apply(setup, world): Promise<readonly Action[]> {
    const { home } = setup.places;
    const { config, stack } = await wanted(setup, world);
    return [
      ...['engine', 'run', 'logs'].map((name): Action => ({ kind: 'dir', path: `${home}/${name}`, mode: 0o700 })),
      { kind: 'write', path: engineConfigFile(home), mode: 0o600, content: config },
      { kind: 'write', path: stackFile(home), mode: 0o600, content: stack },
      { kind: 'supervise' },
      { kind: 'wait', what: running, until: allReady, timeoutMs: loadMs },
    ];
  },
};
