/** The whole of `init --target kubernetes` over real hosts: ssh, sudo, files, locks and journals; its steps are small. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { allDone, many } from '../../src/plan/many.js';
import { sh } from '../hosts-contract/contract.js';
import { cli } from './cli.js';
import { type Machines, machines } from './machines.js';

type User = 'root' | 'asks' | 'free' | 'stranger';

let three: Machines;
let ssh: Ssh;
let hosts: SshHost[];
let folder: string;
let type: ReturnType<typeof cli>;

beforeAll(async () => {
  three = await machines(3);
  ssh = openSsh(three.settings, process.env);
  hosts = three.hosts.map((machine) => ssh.host(machine.target()));
  folder = mkdtempSync(`${tmpdir()}/dd-init-`);
  type = cli(`${import.meta.dirname}/small-main.ts`, folder);
});

afterAll(async () => {
  await ssh?.close();
  await three?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

function configuration(user: User): void {
  const lines = three.hosts.map((machine) => {
    const { address, identityFile } = machine.target();
    const roles = machine.name === 'host-1' ? 'control-plane' : 'worker';
    return `    ${machine.name}: {address: ${address}, user: ${user}, roles: [${roles}], identityFile: ${identityFile}}`;
  });
  const head = ['version: 1', 'target: kubernetes', 'kubernetes: {allowCgroupV1: true}', 'hosts:', '  machines:'];
  writeFileSync(`${folder}/deepseek.yaml`, [...head, ...lines, ''].join('\n'));
}

const on = async (script: string, ...words: string[]): Promise<string[]> =>
  allDone(await many(hosts, 3, (host) => host.run({ ...sh(script, ...words), sudo: true, timeoutMs: 60_000 }))).map(
    ({ stdout }) => stdout,
  );

const stateScript =
  'cd /etc/dd-small 2>/dev/null && for f in *; do echo "$f $(stat -c %a "$f") $(cat "$f")"; done; dpkg-query -W -f "$1" hello 2>/dev/null; true';
const state = (): Promise<string[]> => on(stateScript, ['$', '{db:Status-Status}\\n'].join(''));
const finished = [
  'made 600 token-of-host1\ninstalled\n',
  'joined 600 token-of-host1\ninstalled\n',
  'joined 600 token-of-host1\ninstalled\n',
];
const nothing = ['', '', ''];
/** The small steps make no API server, so the run ends with 'problem': all was done, and no cluster answers. */
const allDoneHere = 1;

async function clean(): Promise<void> {
  await on('rm -rf /etc/dd-small /var/lib/deepseek-deploy; dpkg -r hello >/dev/null 2>&1; true');
  rmSync(`${folder}/home`, { recursive: true, force: true });
}

describe('three real hosts', () => {
  beforeEach(clean);

  it('what is not allowed is told, and nothing is touched', async () => {
    configuration('root');
    const unknown = await type('init --yes');
    expect(unknown.code, unknown.text).toBe(3);
    expect(unknown.text).toMatch(/host-2 .*SHA256:/);
    configuration('stranger');
    const stranger = await type('init --yes --accept-new-host-keys');
    expect(stranger.code, stranger.text).toBe(3);
    expect(stranger.text).toMatch(/host-1 \(stranger@.*\): sudo asks for a password/);
    configuration('asks');
    const wrong = await type('init --yes --ask-sudo-password', { stdin: 'wrong\n' });
    expect(wrong.text).toContain('sudo does not accept the password');
    expect(await on('ls -d /etc/dd-small /var/lib/deepseek-deploy 2>/dev/null')).toEqual(nothing);
  });

  it('with a password for sudo: plan, apply, again, reset', async () => {
    configuration('asks');
    const given = { stdin: 'right one\n' };
    const planned = await type('plan --verbose --out plan.json --accept-new-host-keys --ask-sudo-password', given);
    expect(planned.code, planned.text).toBe(0);
    expect(planned.text).toContain('< <join-token>');
    expect(await state()).toEqual(nothing);
    const applied = await type('apply plan.json --yes --ask-sudo-password', given);
    expect(applied.code, applied.text).toBe(allDoneHere);
    expect(await state()).toEqual(finished);
    const again = await type('init --yes --ask-sudo-password', given);
    expect(again.text).toContain('Nothing to change.');
    console.log(`three hosts: applied in ${applied.ms} ms, nothing to change in ${again.ms} ms`);
    const journals = await on(
      'stat -c %a:%U /var/lib/deepseek-deploy/journal.ndjson; cat /var/lib/deepseek-deploy/journal.ndjson',
    );
    for (const journal of journals) expect(journal).toMatch(/^600:root\n/);
    expect(journals[1]).toMatch(/"action":"sudo sh -c .*< <join-token>","ms":\d+,"code":0/);
    const local = readFileSync(`${folder}/home/journal.ndjson`, 'utf8');
    expect([...journals, local].join('')).not.toMatch(/token-of-host|right one/);
    const reset = await type('reset --cluster default --yes --ask-sudo-password', given);
    expect(reset.code, reset.text).toBe(0);
    expect(await state()).toEqual(nothing);
    expect(reset.text).toContain('Stays on host-1, host-2, host-3: the lists of packages.');
  });

  it.each([
    /✔ host-\d {2}small.folder/,
    /✔ host-\d {2}small.package/,
    /✔ host-1 {2}small.make/,
    /✔ host-\d {2}small.join/,
  ])('killed after %s, the next init ends as it should', async (killAt) => {
    configuration('root');
    const killed = await type('init --yes --accept-new-host-keys', { killAt });
    expect(killed.code, killed.text).toBeNull();
    const again = await type('init --yes');
    expect(again.code, again.text).toBe(allDoneHere);
    expect(await state()).toEqual(finished);
  });

  it('a Ctrl-C ends what runs over there, and says how to go on', async () => {
    configuration('root');
    const stopped = await type('init --yes --accept-new-host-keys', { killAt: /small.folder/, signal: 'SIGINT' });
    expect(stopped.code, stopped.text).toBe(130);
    expect(stopped.text).toContain('The same command carries on from here');
    expect(await on('pgrep -c "^apt-get" || true')).toEqual(['0\n', '0\n', '0\n']);
    expect((await type('init --yes')).code).toBe(allDoneHere);
    expect(await state()).toEqual(finished);
  });

  it('doctor works in the middle of it, and says who is at work', async () => {
    configuration('root');
    await type('plan --accept-new-host-keys');
    let asked: ReturnType<typeof type> | undefined;
    const told = await type('init --yes', {
      killAt: (text) => {
        if (/small.folder/.test(text)) asked ??= type('doctor --json');
        return false;
      },
    });
    expect(told.code, told.text).toBe(allDoneHere);
    const { text } = await asked!;
    const { hosts, work } = JSON.parse(text) as { hosts: { reached: boolean }[]; work: object };
    expect(hosts.map(({ reached }) => reached)).toEqual([true, true, true]);
    expect(work).toMatchObject({ what: 'init', state: 'working' });
    expect(await state()).toEqual(finished);
    expect(JSON.parse((await type('doctor --json')).text)).toMatchObject({ work: null });
  });

  it('two at once: one works, the other is told who', async () => {
    configuration('root');
    await type('plan --accept-new-host-keys');
    const [one, other] = await Promise.all([type('init --yes'), type('init --yes')]);
    expect([one.code, other.code].sort()).toEqual([allDoneHere, 5]);
    expect(await state()).toEqual(finished);
  });

  it('a host that dies in the middle is told, and the others do what they can', async () => {
    configuration('root');
    await type('plan --accept-new-host-keys');
    // What waits for the package on every host waits for host-3, whose apt-get takes the machine down.
    await hosts[2]!.put('/etc/apt/apt.conf.d/99-die', 'DPkg::Pre-Invoke {"systemctl poweroff -ff";};\n');
    const told = await type('init --yes');
    expect([3, 4]).toContain(told.code);
    expect(told.text).toMatch(/host-3 failed/);
    expect(told.text).toMatch(/host-1 waits for host-3, before small.make/);
    expect(told.text).toMatch(/host-2 waits for host-1, before small.join/);
    const status = await type('status');
    expect(status.text).toMatch(/host-3 +● unreachable/);
    const left = await type('reset --cluster default --yes');
    expect(left.code, left.text).toBe(3);
    expect(left.text).toContain('host-3 cannot be reached, so nothing was changed on any host.');
    expect(left.text).toContain('deepseek-deploy reset --cluster default --yes --lost host-3');
    const gone = await type('reset --cluster default --yes --lost host-3');
    expect(gone.code, gone.text).toBe(0);
    expect(gone.text).toContain('Nothing was undone on host-3.');
    await three.hosts[2]!.powerOn();
    await hosts[2]!.disconnect();
    // Of host-3 nobody took anything away; whatever its package manager had begun is of no account here.
    expect((await state()).slice(0, 2)).toEqual(['', '']);
    expect((await on('ls -d /etc/dd-small 2>/dev/null'))[2]).toBe('/etc/dd-small\n');
    expect((await type('status')).text).toContain('Nothing is deployed');
  });
});
