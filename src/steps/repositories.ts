/** Package repositories of Docker, Kubernetes and NVIDIA, each with its key checked. */
import type { Command } from '../command.js';
import { UserError } from '../errors.js';
import type { Distribution } from '../install/distribution.js';
import {
  bringBack,
  fetchKey,
  fingerprintsScript,
  forget,
  keyFile,
  noteKeys,
  refresh,
  setAside,
  sourceFile,
  sourceText,
} from '../install/repositories.js';
import { type Repository, type RepositoryName, repositoryOf } from '../install/sources.js';
import type { Action } from '../plan/step.js';
import { say } from '../say.js';
import type { Result, World } from '../world.js';
import { ask, holds, outward, run, systemOf } from './at-node.js';
import type { Machine, NodeStep } from './machine.js';

export const wantsDriver = (machine: Machine): boolean =>
  machine.gpu && machine.cluster.settings.driver === 'install' && systemOf(machine).id !== 'ubuntu';

const wantsToolkit = (machine: Machine): boolean => machine.gpu && machine.cluster.settings.gpuLayer !== 'none';

export const repositoryFor = (name: RepositoryName, machine: Machine): Repository =>
  repositoryOf(name, machine.cluster.sources, systemOf(machine), machine.cluster.settings.version);

export function repositoriesFor(machine: Machine): readonly Repository[] {
  const names: RepositoryName[] = ['docker', 'kubernetes'];
  if (wantsToolkit(machine)) names.push('toolkit');
  if (wantsDriver(machine)) names.push('driver');
  return names.map((name) => repositoryFor(name, machine));
}

async function isThere(repository: Repository, system: Distribution, world: World): Promise<boolean> {
  const [source, key] = await Promise.all([
    holds(world, sourceFile(repository, system), sourceText(repository, system)),
    repository.key && ask(world, fingerprintsScript, keyFile(repository, system)),
  ]);
  return source && key?.stdout.trim() === repository.key?.fingerprint;
}

const keyFailed =
  (repository: Repository, host: string) =>
  ({ code, stdout, stderr }: Result): UserError => {
    const { address, fingerprint } = repository.key!;
    if (code === 76) {
      return new UserError(
        'repositories.key',
        say(
          `${host}: ${address} is another key than the one pinned here.\nexpected ${fingerprint}\nfound    ${stdout.trim()}`,
          `${host}：${address} 与固定的密钥不符。\n应为 ${fingerprint}\n实为 ${stdout.trim()}`,
        ),
        {
          exit: 'network',
          hint: say(
            'Trust it only when its owner says so; then set mirrors.keys.',
            '仅在其所有者确认后信任它，并设置 mirrors.keys。',
          ),
        },
      );
    }
    const why = stderr.trim().split('\n').at(-1) ?? '';
    return new UserError(
      'repositories.key',
      say(`${host}: the key ${address} could not be fetched: ${why}`, `${host}：无法获取密钥 ${address}：${why}`),
      {
        exit: 'network',
        hint: say(
          'Check the network of the host, its proxy, and the section mirrors (mirrors: cn in mainland China).',
          '请检查该主机的网络、代理以及 mirrors 配置（中国大陆可用 mirrors: cn）。',
        ),
      },
    );
  };

function add(repository: Repository, system: Distribution, machine: Machine): readonly Action[] {
  const fetch = (): Command => fetchKey(repository, system, outward(machine));
  const key = repository.key ? [run(fetch(), keyFailed(repository, machine.name))] : [];
  const write: Action = {
    kind: 'write',
    path: sourceFile(repository, system),
    mode: 0o644,
    content: sourceText(repository, system),
  };
  return [...key, run(setAside(repository, system)), write];
}

export const repositories: NodeStep = {
  id: 'repositories',
  title: say('Package repositories, keys checked', '软件源（校验密钥）'),
  on: 'every',
  needed: ({ cluster }) => cluster.sources.bundle === undefined,
  async done(machine, world) {
    const system = systemOf(machine);
    const there = await Promise.all(repositoriesFor(machine).map((one) => isThere(one, system, world)));
    return !there.includes(false);
  },
  async apply(machine) {
    const system = systemOf(machine);
    const wanted = repositoriesFor(machine);
    const added = wanted.flatMap((one) => add(one, system, machine));
    return [
      ...noteKeys(wanted, system).map((one) => run(one)),
      ...added,
      run(refresh(system, { env: outward(machine) })),
    ];
  },
  async undo(machine) {
    const system = systemOf(machine);
    const files = repositoriesFor(machine).flatMap((one) => [sourceFile(one, system), keyFile(one, system)]);
    return [
      ...files.map((path): Action => ({ kind: 'remove', path })),
      run(bringBack(system)),
      ...forget(system).map((one) => run(one)),
    ];
  },
};
