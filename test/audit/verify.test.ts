import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ledgerName } from '../../src/audit/files.js';
import { verify } from '../../src/audit/verify.js';
import { chainOf, nameOf, request, sealedFile, type TestLog, type Wanted, writtenLog } from './written.js';

const lines = (count: number, from = 0): object[] => Array.from({ length: count }, (_, i) => request(`r${from + i}`));

const three: readonly Wanted[] = [
  { name: nameOf(1), state: 'sealed', entries: lines(12) },
  { name: nameOf(2), state: 'closed', entries: lines(5, 20) },
  { name: nameOf(3), state: 'open', entries: lines(8, 40) },
];

const found = async (log: TestLog) =>
  (await verify(log)).problems.map(({ id, file, line }) => `${id} ${file}${line === undefined ? '' : `:${line}`}`);

/** The file's lines, changed. */
async function edit(log: TestLog, name: string, change: (list: string[]) => string[]): Promise<void> {
  const list = log.get(name).split('\n').slice(0, -1);
  await log.put(name, `${change(list).join('\n')}\n`);
}

describe('a log as it was written', () => {
  it('has no problem and no note, and counts what is there', async () => {
    const log = await writtenLog(three);
    const verdict = await verify(log);
    expect(verdict).toMatchObject({ files: 3, lines: 28, pruned: 0, problems: [], notes: [] });
    expect(verdict.head).toMatchObject({ seq: 5 });
  });

  it('any number of files and lines, open, closed or sealed', async () => {
    const one = fc.record({
      state: fc.constantFrom('open' as const, 'closed' as const, 'sealed' as const),
      count: fc.nat(30),
      words: fc.string({ unit: 'grapheme', maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(one, { maxLength: 5 }), async (list) => {
        const log = await writtenLog(
          list.map(({ state, count, words }, i) => ({
            name: nameOf(i),
            state,
            entries: Array.from({ length: count }, (_, n) => request(`${i}-${n}`, { tenant: words })),
          })),
        );
        expect(await verify(log)).toMatchObject({ files: list.length, problems: [], notes: [] });
      }),
      { numRuns: 60 },
    );
  });
});

describe('what was done to it is found, with its place', () => {
  const open = `${nameOf(3)}.ndjson`;
  const closed = `${nameOf(2)}.ndjson`;

  it.each<[string, string, (list: string[]) => string[], string[]]>([
    [
      'an edited line',
      open,
      (l) => l.with(4, l[4]!.replace('"status":200', '"status":500')),
      [`audit.line-changed ${nameOf(3)}:5`],
    ],
    ['a deleted line', open, (l) => l.toSpliced(4, 1), [`audit.line-missing ${nameOf(3)}:5`]],
    ['three deleted lines', open, (l) => l.toSpliced(2, 3), [`audit.line-missing ${nameOf(3)}:3`]],
    ['a line twice', open, (l) => l.toSpliced(4, 0, l[3]!), [`audit.line-moved ${nameOf(3)}:5`]],
    [
      'two lines exchanged',
      open,
      (l) => l.with(4, l[5]!).with(5, l[4]!),
      [`audit.line-missing ${nameOf(3)}:5`, `audit.line-moved ${nameOf(3)}:6`],
    ],
    ['a foreign line', open, (l) => l.toSpliced(4, 0, '{"id":"forged"}'), [`audit.line-unreadable ${nameOf(3)}:5`]],
    [
      'a line overwritten',
      open,
      (l) => l.with(4, 'x'),
      [`audit.line-unreadable ${nameOf(3)}:5`, `audit.line-missing ${nameOf(3)}:6`],
    ],
    ['the first line gone', open, (l) => l.slice(1), [`audit.line-missing ${nameOf(3)}:1`]],
    ['the end cut off', closed, (l) => l.slice(0, -2), [`audit.truncated ${nameOf(2)}:4`]],
    [
      'the ledger edited',
      ledgerName,
      (l) => l.with(1, l[1]!.replace('"lines":13', '"lines":12')),
      [`audit.line-changed ${ledgerName}:2`, `audit.ledger-short ${nameOf(1)}`],
    ],
  ])('%s', async (_, name, change, wanted) => {
    const log = await writtenLog(three);
    await edit(log, name, change);
    expect(await found(log)).toEqual(wanted);
  });

  it('lines of another file, though they are real', async () => {
    const log = await writtenLog(three);
    const [, second] = log.get(closed).split('\n');
    await edit(log, open, (list) => list.with(1, second!));
    expect(await found(log)).toContain(`audit.line-changed ${nameOf(3)}:2`);
  });

  it.each([
    [nameOf(1), 'sealed'],
    [nameOf(2), 'ndjson'],
    [nameOf(3), 'ndjson'],
  ])('the whole file %s', async (name, ending) => {
    const log = await writtenLog(three);
    await log.files.remove(`${log.folder}/${name}.${ending}`);
    expect(await found(log)).toEqual([`audit.file-missing ${name}`]);
  });

  it('a sealed file of which the ledger does not know the end', async () => {
    const log = await writtenLog([three[0]!]);
    await edit(log, ledgerName, (list) => list.slice(0, 1));
    expect(await found(log)).toEqual([`audit.ledger-short ${nameOf(1)}`]);
  });

  it('a ledger that is gone', async () => {
    const log = await writtenLog(three);
    await log.files.remove(`${log.folder}/${ledgerName}`);
    expect(await found(log)).toEqual([1, 2, 3].map((n) => `audit.file-unknown ${nameOf(n)}`));
  });

  it('a file that is in no ledger', async () => {
    const log = await writtenLog(three);
    const head = { kind: 'open', file: nameOf(4) };
    await log.put(`${nameOf(4)}.ndjson`, chainOf(nameOf(4), [JSON.stringify(head)]).text);
    expect(await found(log)).toEqual([`audit.file-unknown ${nameOf(4)}`]);
  });

  it('a file whose lines were put on to it after it was closed', async () => {
    const log = await writtenLog(three);
    const longer = await writtenLog([{ name: nameOf(2), state: 'open', entries: lines(6, 20) }]);
    await log.put(closed, longer.get(closed));
    expect(await found(log)).toEqual([`audit.added ${nameOf(2)}:7`]);
  });

  it('a file of as many lines that were written with the key, and are others', async () => {
    const log = await writtenLog(three);
    const other = await writtenLog([{ name: nameOf(2), state: 'open', entries: lines(5, 50) }]);
    await log.put(closed, other.get(closed));
    expect(await found(log)).toEqual([`audit.added ${nameOf(2)}:7`]);
  });

  it('a sealed file with a shorter one in its place', async () => {
    const log = await writtenLog(three);
    const shorter = chainOf(nameOf(1), ['{"kind":"open"}', '{"id":"x"}']);
    await log.put(`${nameOf(1)}.sealed`, sealedFile(nameOf(1), Buffer.from(shorter.text)));
    expect(await found(log)).toEqual([`audit.truncated ${nameOf(1)}:2`]);
  });

  it('nothing newer is there than a head that was kept elsewhere', async () => {
    const log = await writtenLog(three);
    const { head } = await verify(log);
    expect((await verify(log, head)).problems).toEqual([]);
    // Who takes the newest file and the ledger's lines about it leaves no trace in what is left.
    await edit(log, ledgerName, (list) => list.slice(0, 4));
    await log.files.remove(`${log.folder}/${open}`);
    expect((await verify(log)).problems).toEqual([]);
    expect((await verify(log, head)).problems).toMatchObject([{ id: 'audit.head-missing', file: ledgerName, line: 5 }]);
  });
});

describe('what a crash leaves is no tampering', () => {
  it('a last line that is torn: noted, and no problem', async () => {
    const log = await writtenLog(three);
    const name = `${nameOf(3)}.ndjson`;
    await log.put(name, log.get(name).slice(0, -20));
    const { problems, notes } = await verify(log);
    expect(problems).toEqual([]);
    expect(notes).toMatchObject([{ id: 'audit.torn', file: nameOf(3), line: 9 }]);
  });

  it('a torn line of a file that was closed whole is a problem', async () => {
    const log = await writtenLog(three);
    const name = `${nameOf(2)}.ndjson`;
    await log.put(name, log.get(name).slice(0, -20));
    expect(await found(log)).toEqual([`audit.truncated ${nameOf(2)}:5`]);
  });
});

describe('any change of any byte', () => {
  const names = [`${nameOf(1)}.sealed`, `${nameOf(2)}.ndjson`, ledgerName];

  it('is found in a closed file, a sealed one and the ledger', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 255 }),
        async (name, where, change) => {
          const log = await writtenLog(three);
          const bytes = Buffer.from(log.get(name), 'latin1');
          const at = Math.floor(where * (name === ledgerName ? bytes.length - 1 : bytes.length));
          bytes[at] = bytes[at]! ^ change;
          await log.put(name, bytes);
          expect(await found(log)).not.toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('and so is any piece cut out of a closed or a sealed file', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names.slice(0, 2)),
        fc.nat(),
        fc.integer({ min: 1, max: 600 }),
        async (name, from, length) => {
          const log = await writtenLog(three);
          const bytes = Buffer.from(log.get(name), 'latin1');
          const at = from % bytes.length;
          await log.put(name, Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]));
          expect(await found(log)).not.toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
