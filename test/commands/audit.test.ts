/** `audit` against a real gateway's log: what was asked is found, what was done to it is told. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseMoment } from '../../src/commands/audit-filter.js';
import { auditOptions } from '../../src/gateway/audit.js';
import { auditFolder, secretsFile } from '../../src/gateway/files.js';
import { localFiles } from '../../src/hosts/files.js';
import { nameOf, request, secret, type TestLog, writtenLog } from '../audit/written.js';
import { startEngine, type TestEngine } from '../gateway/engine.js';
import { type Gateway, startGateway, testSettings, until } from '../gateway/harness.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';
import { type Typed, type } from './typed.js';

const hello = { model: 'm', messages: [{ role: 'user', content: 'a secret question' }] };
let engine: TestEngine;
let gateway: Gateway;
let folder: string;

beforeAll(async () => {
  engine = await startEngine();
  const audit = auditOptions({ content: true, rotateBytes: 16_384 });
  gateway = await startGateway(testSettings([engine.peer], { audit }));
  folder = auditFolder(gateway.directory);
  for (let i = 0; i < 30; i += 1) await ask(`asked-${i}`);
  await ask('refused', { model: 'nobody' });
  await until(
    'a sealed file',
    async () => (await localFiles.list(folder)).some((name) => name.endsWith('.sealed')) || undefined,
  );
  await ask('last');
  await gateway.auditOf('last');
});
afterAll(async () => {
  await gateway?.stop();
  await engine?.stop();
});

const ask = async (id: string, body: object = hello): Promise<void> => {
  await (await gateway.post(body, { headers: { 'x-request-id': id } })).text();
};

/** The machine's files, beside which everything else is made up. */
const world = (): FakeWorld => {
  const made = fakeWorld();
  const { home } = made.places;
  type Anything = (path: string, ...rest: unknown[]) => unknown;
  const over = ([name, real]: [string, unknown]): [string, Anything] => {
    const fake = made.files[name as 'read'] as Anything;
    return [name, (path, ...rest) => (path.startsWith(home) ? fake : (real as Anything))(path, ...rest)];
  };
  const files = Object.fromEntries(Object.entries(localFiles).map(over)) as unknown as FakeWorld['files'];
  return { ...made, files };
};

const audit = (words: string, at = world()): Promise<Typed> =>
  type(`audit ${words} --folder ${folder} --secrets ${secretsFile(gateway.directory)}`, at);

const ids = (out: string): unknown[] => (JSON.parse(out) as { id: unknown }[]).map(({ id }) => id);

describe('audit query', () => {
  it('shows the last requests, those that match, and no content', async () => {
    const { code, out } = await audit('query --json -n 3');
    expect([code, ids(out)]).toEqual([0, ['asked-29', 'refused', 'last']]);
    expect(JSON.parse(out)[2]).toMatchObject({
      key: 'key_000000000001',
      tenant: 'tests',
      model: 'm',
      status: 200,
      attempts: 1,
    });
    expect(out).not.toMatch(/content|mac/);
    expect(ids((await audit('query --json --status 4xx')).out)).toEqual(['refused']);
    expect(ids((await audit('query --json --id asked-3')).out)).toEqual(['asked-3']);
    expect(ids((await audit('query --json --tenant other')).out)).toEqual([]);
    expect(ids((await audit('query --json --since 1h --outcome complete -n 2')).out)).toEqual(['asked-29', 'last']);
    expect(ids((await audit('query --json --until 1h')).out)).toEqual([]);
  });

  it('is a table for people', async () => {
    const { shown } = await audit('query --id asked-7');
    expect(shown[0]).toMatch(/^TIME +KEY +TENANT/);
    expect(shown[1]).toMatch(
      /^20\S+Z +key_000000000001 +tests +chat +m +200 +complete +7\+3 +\d+ ms +\d+ ms +asked-7$/,
    );
  });

  it.each([
    ['query --since never', 'audit.time'],
    ['query --status 42', 'audit.status'],
    ['query --outcome other', 'usage'],
    ['verify --head x', 'audit.head'],
    ['prune --older-than 179d', 'audit.prune-days'],
    ['prune --older-than 6m', 'audit.prune-days'],
  ])('%s is a usage error', async (words, id) => {
    const { code, out } = await audit(`${words} --json`);
    expect([code, JSON.parse(out)]).toMatchObject([2, { error: { id } }]);
  });

  it('without the secret nothing is read', async () => {
    await writeFile(`${gateway.directory}/no-secrets.json`, '{}');
    const line = `audit query --json --folder ${folder} --secrets ${gateway.directory}/no-secrets.json`;
    const { code, out } = await type(line, world());
    expect([code, JSON.parse(out)]).toMatchObject([3, { error: { id: 'audit.secrets' } }]);
  });
});

describe('audit export', () => {
  it('gives every line, with what was asked and answered only on demand', async () => {
    const lines = (await audit('export')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(32);
    expect(JSON.stringify(lines)).not.toContain('a secret question');
    const [one] = (await audit('export --content --id asked-5')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(JSON.parse(one.prompt)).toEqual(hello);
    expect(JSON.parse(one.answer)).toMatchObject({ choices: [{ message: { content: 'hello' } }] });
    expect(one).toMatchObject({ cut: false, id: 'asked-5' });
  });

  it('writes a file that only its owner reads, and none over another', async () => {
    const to = `${gateway.directory}/export.ndjson`;
    expect((await audit(`export --to ${to} --json`)).out).toContain('"lines": 32');
    expect((await stat(to)).mode & 0o777).toBe(0o600);
    expect((await readFile(to, 'utf8')).trim().split('\n')).toHaveLength(32);
    expect(await audit(`export --to ${to} --json`)).toMatchObject({ code: 2 });
    await rm(to);
  });
});

describe('audit verify', () => {
  it('finds nothing wrong, then what is changed, by file and line, and says it in its exit status', async () => {
    const good = await audit('verify');
    expect(good.code).toBe(0);
    expect(good.shown.join('\n')).toContain('All is as it was written.');
    const head = /Head: (\S+)\. /.exec(good.shown.join('\n'))![1];
    expect((await audit(`verify --head ${head}`)).code).toBe(0);

    const name = (await localFiles.list(folder)).find((one) => /^2.*\.ndjson$/.test(one))!;
    const before = await readFile(`${folder}/${name}`, 'utf8');
    await writeFile(`${folder}/${name}`, before.replace('"status":200', '"status":500'));
    const bad = await audit('verify');
    expect(bad.code).toBe(1);
    expect(bad.shown[0]).toMatch(new RegExp(`^✗ ${name.replace('.ndjson', '')}:\\d+  was changed$`));
    await writeFile(`${folder}/${name}`, before);
    expect((await audit('verify --json')).out).toContain('"problems": []');
  });
});

describe('audit prune', () => {
  const daysAgo = (days: number): number => Date.now() / 1000 - days * 86_400;

  async function half(): Promise<{ log: TestLog; prune: (words: string) => Promise<Typed> }> {
    const log = await writtenLog([
      { name: nameOf(1), state: 'sealed', closedAt: daysAgo(200), entries: [request('a')] },
      { name: nameOf(2), state: 'sealed', closedAt: daysAgo(190), entries: [request('b')] },
      { name: nameOf(3), state: 'sealed', closedAt: daysAgo(10), entries: [request('c')] },
    ]);
    await log.world.files.makeDir(log.world.places.home);
    await log.put('secrets.json', JSON.stringify({ auditSecret: secret }));
    const where = `--folder ${log.folder} --secrets ${log.folder}/secrets.json`;
    return { log, prune: (words) => type(`audit prune ${words} ${where}`, log.world) };
  }

  it('asks first, and removes nothing without a yes', async () => {
    const { log, prune } = await half();
    expect(await prune('')).toMatchObject({
      code: 2,
      shown: [expect.stringContaining(nameOf(1)), expect.stringContaining(nameOf(2))],
    });
    expect((await log.files.list(log.folder)).filter((name) => name.endsWith('.sealed'))).toHaveLength(3);
  });

  it('removes what is old, and keeps what was touched as evidence', async () => {
    const { log, prune } = await half();
    const bytes = Buffer.from(log.get(`${nameOf(2)}.sealed`), 'latin1');
    bytes[bytes.length - 1]! ^= 1;
    await log.put(`${nameOf(2)}.sealed`, bytes);
    const { code, out } = await prune('--yes --json');
    expect([code, JSON.parse(out)]).toEqual([1, { removed: [nameOf(1)], kept: [nameOf(2)] }]);
    expect((await log.files.list(log.folder)).filter((name) => name.endsWith('.sealed'))).toEqual([
      `${nameOf(2)}.sealed`,
      `${nameOf(3)}.sealed`,
    ]);
    expect((await prune('--older-than 365d --yes --json')).code).toBe(0);
  });

  it('removes nothing that is younger, and says so', async () => {
    const before = await localFiles.list(folder);
    const { code, out } = await audit('prune --yes --json');
    expect([code, JSON.parse(out)]).toEqual([0, { removed: [], kept: [] }]);
    expect((await localFiles.list(folder)).filter((name) => name !== 'pruned.ndjson').sort()).toEqual(
      [...before].sort(),
    );
  });
});

it('a moment is so long ago, or a date', () => {
  expect(parseMoment('2h', 10_000)).toBe(2800);
  expect(parseMoment('2026-11-24', 0)).toBe(Date.UTC(2026, 10, 24) / 1000);
  expect(parseMoment('2026-11-24T08:30', 0)).toBe(Date.UTC(2026, 10, 24, 8, 30) / 1000);
  expect(parseMoment('2026-11-24T08:30:00+08:00', 0)).toBe(Date.UTC(2026, 10, 24, 0, 30) / 1000);
});
