import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemProcesses } from '../../src/hosts/processes.js';
import type { ProcessSpec } from '../../src/supervisor/stack.js';
import { build, Ground, kill } from './ground.js';

const nginx =
  ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path)) ?? 'nginx';
const workers = 2;

let built = '';
let ground: Ground;
let port = 0;
beforeAll(() => {
  built = build();
});
afterAll(() => rmSync(built, { recursive: true }));
beforeEach(async () => {
  ground = new Ground(built);
  port = await systemProcesses.freePort();
});
afterEach(() => {
  for (const pid of family(everMasters)) kill(pid);
  ground.clean();
});

const everMasters = new Set<number>();

function gateway(): ProcessSpec {
  const { home } = ground;
  mkdirSync(`${home}/nginx`, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${home}/nginx;`,
  );
  const text = `daemon off; pid ${home}/nginx/nginx.pid; error_log stderr notice; worker_processes ${workers};
    events {} http { access_log off; ${temporary.join(' ')}
    server { listen 127.0.0.1:${port}; location / { return 200 ok; } } }`;
  writeFileSync(`${home}/nginx/nginx.conf`, text);
  return {
    id: 'gateway',
    argv: [nginx, '-c', `${home}/nginx/nginx.conf`, '-p', `${home}/nginx`],
    log: `${home}/logs/gateway.log`,
    ready: { url: `http://127.0.0.1:${port}/`, everyMs: 100, withinMs: 5000 },
    stop: { signal: 'SIGQUIT', graceMs: 2000 },
  };
}

/** Pids of nginx whose session is one of these masters: proc(5), fields 2 and 6 of stat. */
const family = (masters: ReadonlySet<number>): number[] =>
  systemRows().flatMap(({ pid, session }) => (masters.has(session) ? [pid] : []));

const systemRows = (): { readonly pid: number; readonly session: number }[] =>
  readdir().flatMap((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, , , session] = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return text.includes('(nginx)') && state !== 'Z' ? [{ pid, session: Number(session) }] : [];
    } catch {
      return [];
    }
  });

const readdir = (): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);

async function brought() {
  ground.stack([gateway()]);
  const supervisor = ground.start();
  await ground.state('ready');
  return { supervisor, master: master() };
}

function master(): number {
  const pid = ground.pidOf('gateway');
  everMasters.add(pid);
  return pid;
}

/** A restarted nginx, whole, and nothing of the one before. */
async function renewed(before: number): Promise<void> {
  await ground.until('another master', () => ground.process('gateway').state === 'ready' && master() !== before);
  await ground.until('its workers', () => family(new Set([master()])).length === 1 + workers);
  expect(family(new Set([before]))).toEqual([]);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ok');
}

describe('a gateway', () => {
  it('whose master is killed leaves workers on the port; they go before another comes', async () => {
    const { master: before } = await brought();
    kill(before);
    await renewed(before);
    expect(ground.log('gateway')).not.toContain('Address already in use');
  });

  it('whose master is killed together with the supervisor is made whole by the next', async () => {
    const { master: before, supervisor } = await brought();
    kill(supervisor.pid);
    kill(before);
    await ground.until('orphans alone', () => family(new Set([before])).length === workers);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ok');
    await supervisor.ended;
    expect((await ground.state('down')).supervisor.state).toBe('gone');
    ground.start();
    await renewed(before);
  });

  it('is found without any record, though it overwrites its environment', async () => {
    const { master: before, supervisor } = await brought();
    expect(readFileSync(`/proc/${before}/environ`, 'utf8')).not.toContain('DEEPSEEK');
    kill(supervisor.pid);
    rmSync(`${ground.home}/run/supervisor.json`);
    ground.start();
    await renewed(before);
  });

  it('that is no longer wanted, and on no record, is ended all the same', async () => {
    const { master: before, supervisor } = await brought();
    kill(supervisor.pid);
    kill(before);
    for (const name of ['supervisor.json', 'stack.json']) rmSync(`${ground.home}/run/${name}`);
    expect(await ground.start().ended).toBe(0);
    expect(family(new Set([before]))).toEqual([]);
  });

  it('is adopted with its workers, and leaves quietly', async () => {
    const { master: before, supervisor } = await brought();
    kill(supervisor.pid);
    const next = ground.start();
    await ground.until('an adoption', () => ground.report.supervisor.pid === next.pid);
    await ground.state('ready');
    expect(master()).toBe(before);
    kill(next.pid, 'SIGTERM');
    expect(await next.ended).toBe(0);
    expect(family(new Set([before]))).toEqual([]);
    expect(ground.log('gateway')).toContain('gracefully shutting down');
    expect(ground.events().filter(({ event }) => event === 'kill')).toEqual([]);
  });

  it('killed again and again, at any moment and with or without its supervisor, is one in the end', async () => {
    ground.stack([gateway()]);
    const moments = [0, 15, 40, 60, 90, 120, 150, 200, 250, 300];
    for (const [round, ms] of moments.entries()) {
      ground.start();
      await sleep(ms);
      if (existsSync(`${ground.home}/run/supervisor.json`)) {
        for (const { pid } of ground.report.processes) if (pid !== undefined) everMasters.add(pid);
      }
      const masters = [...everMasters].filter((pid) => family(everMasters).includes(pid));
      if (round % 3 !== 0) for (const pid of masters) kill(pid);
      if (round % 2 === 0) for (const pid of ground.supervisors()) kill(pid);
    }
    ground.start();
    await ground.state('ready');
    const last = master();
    await ground.until('a whole one', () => family(new Set([last])).length === 1 + workers);
    expect(family(everMasters).sort()).toEqual(family(new Set([last])).sort());
    await ground.until('one supervisor', () => ground.supervisors().length === 1);
  });

  it('that finds its port taken says so', async () => {
    const other = createServer().listen(port, '127.0.0.1');
    try {
      ground.stack([{ ...gateway(), ready: { url: `http://127.0.0.1:${port}/`, everyMs: 100, withinMs: 60_000 } }]);
      ground.start();
      await ground.until('a reason', () => ground.process('gateway').reason?.kind === 'exit');
      expect(ground.process('gateway').reason?.lines?.join('\n')).toContain('Address already in use');
    } finally {
      other.close();
    }
    await ground.state('ready');
    master();
  });
});
