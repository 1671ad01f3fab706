import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemProcesses } from '../../src/hosts/processes.js';
import { clear, find, markName, markOf, parseStat, signal, strays } from '../../src/supervisor/proc.js';

let folder = '';
let mark = '';
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = realpathSync(mkdtempSync(`${tmpdir()}/proc-`));
  mark = markOf(folder);
});
afterEach(() => {
  for (const child of started.splice(0)) {
    for (const pid of [child.pid!, -child.pid!]) signal(pid, 'SIGKILL');
  }
  rmSync(folder, { recursive: true });
});

/** `sh` that has started one `sleep`, in a session of its own. */
async function family(
  env: Record<string, string>,
  log?: string,
  script = 'sleep 60 & echo $!; wait',
): Promise<{ leader: number; child: number }> {
  const output = log === undefined ? 'ignore' : openSync(log, 'a');
  const shell = spawn('/bin/sh', ['-c', log === undefined ? script : `exec >&3; ${script}`], {
    detached: true,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', log === undefined ? 'pipe' : output, 'ignore', 'pipe'],
  });
  started.push(shell);
  const pipe = shell.stdio[log === undefined ? 1 : 3]!;
  const child = await new Promise<number>((resolve) => pipe.once('data', (data) => resolve(Number(data))));
  if (typeof output === 'number') closeSync(output);
  return { leader: shell.pid!, child };
}

const gone = async (pid: number): Promise<void> => {
  while ((await systemProcesses.identity(pid)) !== undefined) await sleep(5);
};

describe('parseStat', () => {
  const rest = '1 77 78 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0';
  it.each(['nginx', 'a) S 1 (b', 'tab\there', ') ('])('is not misled by the name %j', (name) => {
    expect(parseStat(5, `5 (${name}) S ${rest}`)).toEqual({ pid: 5, group: 77, session: 78, startedAt: 4242 });
  });

  it('takes no zombie for a process, nor nothing', () => {
    for (const text of [`5 (x) Z ${rest}`, `5 (x) X ${rest}`, '']) expect(parseStat(5, text)).toBeUndefined();
  });
});

describe('find', () => {
  it('finds by the mark, and by nothing that only resembles it', async () => {
    const ours = await family({ [markName]: `${mark}/engine` });
    await family({ [markName]: `${mark}/engine-2` });
    await family({ OTHER: `${markName}=${mark}/engine` });
    expect(find({ mark: `${mark}/engine` }).sort()).toEqual([ours.leader, ours.child].sort());
    expect([...strays(mark, `${folder}/logs`).keys()].sort()).toEqual(['engine', 'engine-2']);
    expect(strays('0123456789abcdef', `${folder}/logs`).size).toBe(0);
  });

  it('leaves those alone who were given the number of a leader since, or show another environment', async () => {
    const { leader, child } = await family({ INNOCENT: '1' });
    const identity = (await systemProcesses.identity(leader))!;
    expect(find({ mark: `${mark}/engine`, leader: { pid: leader, identity } })).toEqual([]);
    process.kill(leader, 'SIGKILL');
    await gone(leader);
    expect(find({ mark: `${mark}/engine`, leader: { pid: leader, identity } })).toEqual([]);
    expect(await systemProcesses.identity(child)).toBeDefined();
  });

  it('takes the members of a session without an environment to read for its own, if they came later, in this boot', async () => {
    const { leader, child } = await family({}, undefined, 'env -i sleep 60 & echo $!; wait');
    await sleep(50);
    const identity = (await systemProcesses.identity(leader))!;
    const [boot, ticks] = identity.split(':');
    process.kill(leader, 'SIGKILL');
    await gone(leader);
    const seen = (name: string): number[] => find({ mark: `${mark}/engine`, leader: { pid: leader, identity: name } });
    expect(seen(identity)).toEqual([child]);
    expect(seen(`${boot}:${Number(ticks) + 1000}`)).toEqual([]);
    expect(seen(`00000000-0000-4000-8000-000000000000:${ticks}`)).toEqual([]);
  });

  it('takes one without an environment whose output is the log for its own', async () => {
    const log = `${folder}/engine.log`;
    const script = `env -i sleep 60 >>${log} & echo $! >&3; wait`;
    const { child } = await family({}, log, script);
    await sleep(50);
    expect(find({ mark: `${mark}/engine`, log })).toEqual([child]);
    expect(strays(mark, folder)).toEqual(new Map([['engine', log]]));
    expect(find({ mark: `${mark}/engine`, log: `${folder}/other.log` })).toEqual([]);
  });
});

describe('clear', () => {
  it('kills until nothing is found', async () => {
    const { leader, child } = await family({ [markName]: `${mark}/engine` });
    expect(await clear({ mark: `${mark}/engine` }, 3000)).toEqual([]);
    await gone(leader);
    expect(await systemProcesses.identity(child)).toBeUndefined();
  });
});
