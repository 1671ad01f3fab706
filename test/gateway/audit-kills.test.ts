/** The books balance: workers and whole gateways are killed, and reloaded, under mixed load, while files turn and are sealed. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verify } from '../../src/audit/verify.js';
import { auditOptions } from '../../src/gateway/audit.js';
import { auditFolder } from '../../src/gateway/files.js';
import { localFiles } from '../../src/hosts/files.js';
import type { BuildName } from './builds.js';
import { answer, sleep, startEngine, stream, type TestEngine } from './engine.js';
import { type Gateway, secrets, startGateway, testSettings, until } from './harness.js';

const kills = 12;
const callers = 12;

describe.each<BuildName>(['debian', 'current'])('under kills (%s nginx)', (nginx) => {
  let engine: TestEngine;
  let gateway: Gateway;
  /** What the caller saw of each request. */
  const ends = new Map<string, string>();
  beforeAll(async () => {
    engine = await startEngine((request, response, socket) =>
      (JSON.parse(request.body).stream ? stream(10, 20) : answer)(request, response, socket),
    );
    const settings = testSettings([engine.peer], { audit: auditOptions({ rotateBytes: 6000 }) });
    gateway = await startGateway(settings, { nginx, workers: 2 });
  }, 120_000);
  afterAll(async () => {
    await gateway?.stop();
    await engine?.stop();
  });

  async function ask(number: number): Promise<void> {
    const id = `request-${number}`;
    const stream = number % 4 === 1;
    const hello = { model: 'm', stream, messages: [{ role: 'user', content: 'hi' }] };
    try {
      const response = await gateway.post(number % 4 === 0 ? '{' : hello, { headers: { 'x-request-id': id } });
      const text = await response.text();
      const { status } = response;
      const cut = status === 200 && stream && !text.includes('[DONE]');
      ends.set(id, cut ? 'cut' : status === 200 ? 'complete' : status === 400 ? 'refused' : `${status}`);
    } catch {
      ends.set(id, 'cut');
    }
  }

  async function harm(round: number): Promise<void> {
    if (round % 5 === 2) {
      await gateway.kill();
      return gateway.restart();
    }
    const text = await readFile(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8');
    const workers = text.trim().split(' ').filter(Boolean).map(Number);
    if (round % 5 === 4) gateway.process.kill('SIGHUP');
    else {
      try {
        process.kill(workers[round % workers.length]!, 'SIGKILL');
      } catch {
        // It went by itself: an old one after a reload.
      }
    }
  }

  it('sent is answered, refused or cut, and each has its one line in a chain that holds', async () => {
    let sent = 0;
    let going = true;
    const load = Array.from({ length: callers }, async () => {
      for (; going; await sleep(15)) {
        sent += 1;
        await ask(sent);
      }
    });
    for (let round = 0; round < kills; round += 1) {
      await sleep(150 + 70 * (round % 5));
      await harm(round);
    }
    going = false;
    await Promise.all(load);

    const reached = new Set(engine.seen.map(({ headers }) => headers['x-request-id']));
    const died = new Set<unknown>(['worker died', 'gateway killed']);
    const books = async (): Promise<string[]> => {
      const told = new Map<string, unknown[]>();
      for (const { id, outcome, cut } of await gateway.audit()) {
        told.set(String(id), [...(told.get(String(id)) ?? []), cut ?? outcome]);
      }
      return [...ends].flatMap(([id, end]) => {
        const lines = told.get(id) ?? [];
        // Its connection died before its request was read: it is nobody's request.
        if (end === 'cut' && lines.length === 0 && !reached.has(id)) return [];
        // Its last byte may have gone out before its worker died, and its line have been written before the byte was lost.
        const fits = lines.length === 1 && (lines[0] === end || died.has(lines[0]) || end === 'cut');
        return fits ? [] : [`${id}: ${end}, on record ${lines.join(' and ') || 'nowhere'}`];
      });
    };
    await until('the books balance', async () => (await books()).length === 0 || undefined, 8000).catch(() => {});
    expect(await books()).toEqual([]);
    expect([...ends.values()].filter((end) => end === 'complete').length).toBeGreaterThan(50);
    for (const how of died) {
      expect((await gateway.audit()).filter(({ cut }) => cut === how).length).toBeGreaterThan(0);
    }

    const log = { files: localFiles, folder: auditFolder(gateway.directory), secret: secrets.auditSecret };
    const problems = async () => (await verify(log)).problems.map(({ id, file, line }) => `${id} ${file}:${line}`);
    // A worker may have died between making a file and saying so in the ledger; another does it.
    await until('the ledger is whole', async () => (await problems()).length === 0 || undefined, 8000).catch(() => {});
    expect(await problems()).toEqual([]);
    expect((await verify(log)).files).toBeGreaterThan(kills / 2);
  });
});
