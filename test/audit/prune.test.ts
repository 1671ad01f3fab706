import { describe, expect, it } from 'vitest';
import { prunedName } from '../../src/audit/files.js';
import { oldFiles, prune } from '../../src/audit/prune.js';
import { verify } from '../../src/audit/verify.js';
import { nameOf, request, writtenLog } from './written.js';

const now = 1_800_000_000;
const daysAgo = (days: number): number => now - days * 86_400;

const logs = () =>
  writtenLog([
    { name: nameOf(1), state: 'sealed', closedAt: daysAgo(400), entries: [request('a')] },
    { name: nameOf(2), state: 'sealed', closedAt: daysAgo(181), entries: [request('b')] },
    { name: nameOf(3), state: 'sealed', closedAt: daysAgo(179), entries: [request('c')] },
    { name: nameOf(4), state: 'closed', closedAt: daysAgo(400), entries: [request('d')] },
    { name: nameOf(5), state: 'open', entries: [request('e')] },
  ]);

const left = (log: Awaited<ReturnType<typeof logs>>) => log.files.list(log.folder);

describe('pruning', () => {
  it('takes sealed files that are old enough, and no other', async () => {
    const log = await logs();
    expect((await oldFiles(log, 180, now)).map(({ file }) => file)).toEqual([nameOf(1), nameOf(2)]);
    expect((await oldFiles(log, 365, now)).map(({ file }) => file)).toEqual([nameOf(1)]);
    await expect(oldFiles(log, 179, now)).rejects.toThrow('180');
  });

  it('leaves a log that verifies, and says of what is gone how it ended', async () => {
    const log = await logs();
    await prune(log, await oldFiles(log, 365, now), now);
    await prune(log, await oldFiles(log, 180, now + 1), now + 1);
    expect(await verify(log)).toMatchObject({ files: 3, pruned: 2, problems: [] });
    const book = log
      .get(prunedName)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(book).toMatchObject([
      { kind: 'pruned', file: nameOf(1), time: now, lines: 2, last: expect.stringMatching(/^.{24}$/), seq: 1 },
      { kind: 'pruned', file: nameOf(2), time: now + 1, lines: 2, seq: 2 },
    ]);
    expect(await left(log)).not.toContain(`${nameOf(1)}.sealed`);
  });

  it('a crash between the record and the removal is made good by the next time', async () => {
    const log = await logs();
    const old = await oldFiles(log, 180, now);
    const remove = async (): Promise<never> => {
      throw new Error('power cut');
    };
    await expect(prune({ ...log, files: { ...log.files, remove } }, old, now)).rejects.toThrow('power cut');
    expect(await verify(log)).toMatchObject({ files: 5, problems: [] });
    await prune(log, await oldFiles(log, 180, now), now);
    expect(await verify(log)).toMatchObject({ files: 3, pruned: 2, problems: [] });
    expect(log.get(prunedName).trim().split('\n')).toHaveLength(2);
  });

  it('a file that is gone without a record, or with one that was changed, is missing', async () => {
    const log = await logs();
    await prune(log, await oldFiles(log, 365, now), now);
    await log.put(prunedName, log.get(prunedName).replace(nameOf(1), nameOf(2)));
    await log.files.remove(`${log.folder}/${nameOf(2)}.sealed`);
    const { problems } = await verify(log);
    expect(problems.map(({ id, file }) => `${id} ${file}`)).toEqual([
      `audit.line-changed ${prunedName}`,
      `audit.file-missing ${nameOf(1)}`,
      `audit.file-missing ${nameOf(2)}`,
    ]);
  });
});
