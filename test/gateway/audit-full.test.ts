/** The disk of the audit log is full, for real: a small file system of its own, filled and emptied under load. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entries } from '../../src/audit/query.js';
import { verify } from '../../src/audit/verify.js';
import { type AuditOptions, auditOptions } from '../../src/gateway/audit.js';
import { auditFolder } from '../../src/gateway/files.js';
import { localFiles } from '../../src/hosts/files.js';
import type { BuildName } from './builds.js';
import { startEngine, type TestEngine } from './engine.js';
import { type Gateway, secrets, startGateway, testSettings, until } from './harness.js';
import { canMount, empty, type FileSystem, fill, mountAt } from './mounts.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const room = 256 * 1024;

interface Full {
  readonly engine: TestEngine;
  readonly gateway: Gateway;
  fill(): Promise<void>;
  empty(): Promise<void>;
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

async function start(kind: FileSystem, nginx: BuildName, onError: AuditOptions['onError']): Promise<Full> {
  const directory = await mkdtemp(`${tmpdir()}/gateway-full-`);
  const folder = auditFolder(directory);
  await mkdir(folder);
  await mountAt(folder, kind, room);
  const engine = await startEngine();
  const settings = testSettings([engine.peer], { audit: auditOptions({ onError }) });
  const gateway = await startGateway(settings, { nginx, directory });
  return {
    engine,
    gateway,
    fill: () => fill(folder),
    empty: () => empty(folder),
    metric: async (name) => {
      const text = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
      return Number(new RegExp(`^${name}\\{\\} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
    },
    stop: async () => {
      await gateway.stop().catch(() => {});
      execFileSync('umount', [folder]);
      await rm(directory, { recursive: true, force: true });
      await engine.stop();
    },
  };
}

/** How many lines each gap cost. */
async function gaps({ gateway }: Full): Promise<readonly unknown[]> {
  const log = { files: localFiles, folder: auditFolder(gateway.directory), secret: secrets.auditSecret };
  const found: unknown[] = [];
  for await (const entry of entries(log, {}, () => {})) if (entry.kind === 'gap') found.push(entry.lost);
  return found;
}

const problems = async ({ gateway }: Full): Promise<readonly string[]> => {
  const folder = auditFolder(gateway.directory);
  const verdict = await verify({ files: localFiles, folder, secret: secrets.auditSecret });
  return verdict.problems.map(({ file, line, text }) => `${file}:${line} ${text.en}`);
};

const cases = [
  ['tmpfs', 'debian', 'refuse'],
  ['tmpfs', 'debian', 'continue'],
  ['tmpfs', 'current', 'refuse'],
  ['tmpfs', 'current', 'continue'],
  ['ext4', 'current', 'refuse'],
  ['ext4', 'debian', 'continue'],
  // Where lines are not written as memory.
  ['btrfs', 'debian', 'refuse'],
  ['btrfs', 'current', 'continue'],
] as const;

describe.each(cases)('a full %s (%s nginx)', async (kind, nginx, onError) => {
  describe.skipIf(!(await canMount(kind)))(`${onError}`, () => {
    let full: Full;
    beforeAll(async () => {
      full = await start(kind, nginx, onError);
    }, 120_000);
    afterAll(() => full?.stop());

    const ask = async (id: string): Promise<Response> => {
      const response = await full.gateway.post(hello, { headers: { 'x-request-id': id } });
      await response.clone().text();
      return response;
    };

    /** Lines of about half a KiB each: what room the gateway has taken is used up by some of them. */
    async function untilFull(): Promise<string[]> {
      const ids: string[] = [];
      await full.fill();
      await until('nothing can be written', async () => {
        for (let i = 0; i < 20; i += 1) {
          ids.push(`filling-${ids.length}`);
          if ((await ask(ids.at(-1)!)).status === 503) return true;
        }
        return (await full.metric('gateway_audit_writable')) === 0 || undefined;
      });
      return ids;
    }

    it('says so, does what the settings want, and recovers by itself with every line accounted for', async () => {
      expect((await ask('before')).status).toBe(200);
      expect(await full.metric('gateway_audit_writable')).toBe(1);
      const filling = await untilFull();
      full.engine.forget();

      const response = await ask('while-full');
      const body = await response.text();
      expect(response.status).toBe(onError === 'refuse' ? 503 : 200);
      expect(full.engine.seen).toHaveLength(onError === 'refuse' ? 0 : 1);
      if (onError === 'refuse') {
        expect(JSON.parse(body)).toMatchObject({ error: { code: 'audit_unavailable', type: 'server_error' } });
        expect(response.headers.get('retry-after')).toBe('5');
        expect(await full.metric('gateway_audit_refused_total')).toBeGreaterThan(0);
      }
      await until('it is told', async () => (await full.metric('gateway_audit_writable')) === 0 || undefined);
      expect(await full.metric('gateway_audit_late_total')).toBeGreaterThan(0);
      expect(full.gateway.log()).toContain('audit: nothing can be written: No space left on device');

      await full.empty();
      await until('it is writable again', async () => (await full.metric('gateway_audit_writable')) === 1 || undefined);
      expect((await ask('after')).status).toBe(200);
      const lines = await until('the line after', async () => {
        const found = await full.gateway.audit();
        return found.some(({ id }) => id === 'after') ? found : undefined;
      });
      // What an engine was asked is on record one by one; what was refused meanwhile at least by number.
      const answered = onError === 'refuse' ? filling.slice(0, -1) : [...filling, 'while-full'];
      for (const id of ['before', ...answered, 'after']) {
        expect([id, lines.filter((line) => line.id === id).length]).toEqual([id, 1]);
      }
      expect(await gaps(full)).toEqual(onError === 'refuse' ? [expect.any(Number)] : []);
      expect(await problems(full)).toEqual([]);
      expect(full.gateway.log()).not.toContain('signal 7');
    });
  });
});
