import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf } from '../../src/audit/chain.js';
import { openedAt } from '../../src/audit/files.js';
import { contentOf, type Entry, entries, type Filter, matches } from '../../src/audit/query.js';
import { nameOf, request, sealed, secret, type TestLog, writtenLog } from './written.js';

const broken: string[] = [];

async function all(log: TestLog, filter: Filter = {}): Promise<Entry[]> {
  broken.length = 0;
  const found: Entry[] = [];
  for await (const entry of entries(log, filter, (file) => void broken.push(file))) found.push(entry);
  return found;
}

const ids = async (log: TestLog, filter?: Filter) => (await all(log, filter)).map(({ id }) => id);
const at = (hour: number, minutes: number): number => openedAt(nameOf(hour)) + minutes * 60;

describe('reading', () => {
  it('is in the order of time over files of several workers, open and sealed', async () => {
    const log = await writtenLog([
      {
        name: nameOf(1, 0),
        state: 'sealed',
        entries: [request('a', { time: at(1, 1) }), request('d', { time: at(3, 5) })],
      },
      {
        name: nameOf(1, 1),
        state: 'closed',
        entries: [request('b', { time: at(1, 2) }), request('e', { time: at(3, 6) })],
      },
      {
        name: nameOf(3, 0),
        state: 'open',
        entries: [request('c', { time: at(3, 1) }), request('f', { time: at(3, 7) })],
      },
    ]);
    expect(await ids(log)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(await ids(log, { since: at(3, 1), until: at(3, 6) })).toEqual(['c', 'd']);
  });

  it('finds every line once, however lines are spread over files', async () => {
    const spread = fc.array(fc.record({ file: fc.nat(3), gap: fc.integer({ min: 0, max: 900 }) }), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(
        spread,
        fc.array(fc.constantFrom('open' as const, 'sealed' as const), { minLength: 4, maxLength: 4 }),
        async (list, states) => {
          let time = at(4, 0);
          const files: object[][] = [[], [], [], []];
          for (const [i, { file, gap }] of list.entries()) {
            time += gap;
            files[file]!.push(request(`r${i}`, { time }));
          }
          const log = await writtenLog(
            files.map((lines, i) => ({ name: nameOf(i, i), state: states[i]!, entries: lines })),
          );
          const found = await all(log);
          expect(found.map((one) => one.time)).toEqual(found.map((one) => one.time).sort((a, b) => a - b));
          expect(found.map(({ id }) => id).sort()).toEqual(list.map((_, i) => `r${i}`).sort());
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves files alone that ended before, or began after', async () => {
    const log = await writtenLog([
      { name: nameOf(1), state: 'sealed', closedAt: at(1, 59), entries: [request('a', { time: at(1, 1) })] },
      { name: nameOf(2), state: 'sealed', closedAt: at(3, 0), entries: [request('b', { time: at(2, 1) })] },
      { name: nameOf(3), state: 'open', entries: [request('c', { time: at(3, 1) })] },
    ]);
    const read: string[] = [];
    const { readBytes } = log.files;
    const noted: typeof readBytes = (path, range) => {
      read.push(path);
      return readBytes(path, range);
    };
    const spied = { ...log, files: { ...log.files, readBytes: noted } };
    expect(await ids(spied, { since: at(2, 0), until: at(3, 0) })).toEqual(['b']);
    expect([...new Set(read)]).toEqual([`${log.folder}/${nameOf(2)}.ndjson`, `${log.folder}/${nameOf(2)}.sealed`]);
  });

  it('goes on when a file is sealed while it is read', async () => {
    const name = nameOf(1);
    const lines = Array.from({ length: 2000 }, (_, i) => request(`r${i}`, { filler: 'x'.repeat(300) }));
    const log = await writtenLog([{ name, state: 'closed', entries: lines }]);
    const twin = await writtenLog([{ name, state: 'sealed', entries: lines }]);
    let reads = 0;
    const readBytes: TestLog['files']['readBytes'] = async (path, range) => {
      if (path.endsWith('.ndjson') && ++reads === 2) {
        await log.put(`${name}.sealed`, Buffer.from(twin.get(`${name}.sealed`), 'latin1'));
        await log.files.remove(path);
      }
      return log.files.readBytes(path, range);
    };
    const found = await ids({ ...log, files: { ...log.files, readBytes } });
    expect(found).toEqual(lines.map((one) => (one as Entry).id));
  });

  it('names a sealed file that does not open, and gives the rest', async () => {
    const log = await writtenLog([
      { name: nameOf(1), state: 'sealed', entries: [request('a', { time: at(1, 1) })] },
      { name: nameOf(2), state: 'open', entries: [request('b', { time: at(2, 1) })] },
    ]);
    const bytes = Buffer.from(log.get(`${nameOf(1)}.sealed`), 'latin1');
    bytes[bytes.length - 1]! ^= 1;
    await log.put(`${nameOf(1)}.sealed`, bytes);
    expect(await ids(log)).toEqual(['b']);
    expect(broken).toEqual([nameOf(1)]);
  });
});

describe('the filter', () => {
  const entry = request('x', { time: 100, status: 429 }) as Entry;
  it.each<[Filter, boolean]>([
    [{}, true],
    [{ since: 100 }, true],
    [{ since: 100.001 }, false],
    [{ until: 100 }, false],
    [{ status: '4xx' }, true],
    [{ status: '5xx' }, false],
    [{ status: '429' }, true],
    [{ status: '42' }, false],
    [{ id: 'x', key: 'key_1', tenant: 't', model: 'm', outcome: 'complete' }, true],
    [{ tenant: 'other' }, false],
  ])('%j: %s', (filter, wanted) => {
    expect(matches(filter, entry)).toBe(wanted);
  });

  it('a request whose worker died has no status', () => {
    expect(matches({ status: '200' }, { ...entry, status: null })).toBe(false);
    expect(matches({ outcome: 'complete' }, { ...entry, status: null })).toBe(true);
  });
});

describe('contents', () => {
  const file = nameOf(1);
  const text = JSON.stringify({ prompt: 'what was asked', answer: null, cut: false });
  const seal = (id: string) =>
    sealed(keyOf(secret, 'content', file), `${file}:${id}`, Buffer.from(text)).toString('base64');

  it('open with the line they belong to, and with no other', () => {
    const entry: Entry = { id: 'a', time: 1, file, content: seal('a') };
    expect(contentOf(secret, entry)).toEqual({ prompt: 'what was asked', answer: null, cut: false });
    expect(contentOf(secret, { ...entry, id: 'b' })).toBeNull();
    expect(contentOf(secret, { ...entry, file: nameOf(2) })).toBeNull();
    expect(contentOf('another', entry)).toBeNull();
    expect(contentOf(secret, { id: 'a', time: 1, file })).toBeUndefined();
  });
});
