/** What every Files promises, whosoever they are. */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Files } from '../../src/world.js';

export interface FilesSubject {
  readonly files: Files;
  /** Empty, and there. */
  readonly folder: string;
  close(): Promise<void>;
}

export function filesContract(name: string, open: () => Promise<FilesSubject>, skip = false): void {
  describe.skipIf(skip)(name, () => {
    const fresh = async (): Promise<{ files: Files; at: (name: string) => string }> => {
      const { files, folder, close } = await open();
      onTestFinished(close);
      return { files, at: (path) => `${folder}/${path}` };
    };
    whole(fresh);
    folders(fresh);
    bytes(fresh);
  });
}

type Fresh = () => Promise<{ files: Files; at: (name: string) => string }>;
const contents = ['', 'a', 'a\n', 'line\n.\n|x\n', "it's $HOME `id` \\", '中文\n'];

function whole(fresh: Fresh): void {
  it('gives back what was written', async () => {
    const { files, at } = await fresh();
    for (const content of contents) {
      await files.write(at('a file'), content);
      expect(await files.read(at('a file'))).toBe(content);
      expect(await files.readIfAny(at('a file'))).toBe(content);
    }
  });

  it('adds to the end, and makes the file for it', async () => {
    const { files, at } = await fresh();
    for (const content of contents) await files.append(at('log'), content);
    expect(await files.read(at('log'))).toBe(contents.join(''));
    expect((await files.stat(at('log')))?.mode).toBe(0o600);
  });

  it('creates a file once', async () => {
    const { files, at } = await fresh();
    expect(await files.create(at('lock'), 'mine', 0o640)).toBe(true);
    expect(await files.create(at('lock'), 'yours')).toBe(false);
    expect(await files.read(at('lock'))).toBe('mine');
    expect((await files.stat(at('lock')))?.mode).toBe(0o640);
  });

  it('of many at once one creates it', async () => {
    const { files, at } = await fresh();
    const won = await Promise.all(['a', 'b', 'c', 'd'].map((word) => files.create(at('lock'), word)));
    expect(won.filter(Boolean)).toHaveLength(1);
  });

  it('rejects what needs a file or folder that is not there', async () => {
    const { files, at } = await fresh();
    for (const work of [
      () => files.read(at('none')),
      () => files.readBytes(at('none')),
      () => files.hash(at('none')),
      () => files.write(at('none/file'), 'x'),
      () => files.append(at('none/file'), 'x'),
      () => files.create(at('none/file'), 'x'),
      () => files.chmod(at('none'), 0o600),
    ])
      await expect(work()).rejects.toThrow();
    expect(await files.readIfAny(at('none'))).toBeUndefined();
    expect(await files.readIfAny(at('none/below'))).toBeUndefined();
    expect(await files.stat(at('none/below'))).toBeUndefined();
    expect(await files.list(at('none'))).toEqual([]);
  });
}

function folders(fresh: Fresh): void {
  it('makes folders with their parents, lists what is in them', async () => {
    const { files, at } = await fresh();
    await files.makeDir(at('a/b'), 0o755);
    await files.makeDir(at('a/b'), 0o755);
    expect(await files.stat(at('a'))).toMatchObject({ directory: true, mode: 0o755 });
    await files.write(at('a/b/.hidden file'), 'x');
    await files.write(at('a/b/other'), 'x');
    expect([...(await files.list(at('a/b')))].sort()).toEqual(['.hidden file', 'other']);
  });

  it('a folder is 0700 unasked', async () => {
    const { files, at } = await fresh();
    await files.makeDir(at('a'));
    expect((await files.stat(at('a')))?.mode).toBe(0o700);
  });

  it('renames over what is there, removes with all that is in it', async () => {
    const { files, at } = await fresh();
    await files.makeDir(at('a'));
    await files.write(at('a/x'), 'new');
    await files.write(at('y'), 'old');
    await files.rename(at('a/x'), at('y'));
    expect(await files.read(at('y'))).toBe('new');
    await files.makeDir(at('a/deep/er'));
    await files.remove(at('a'));
    await files.remove(at('a'));
    expect(await files.stat(at('a'))).toBeUndefined();
  });

  it('removes a folder only when it is empty', async () => {
    const { files, at } = await fresh();
    await files.makeDir(at('a'));
    await files.write(at('a/x'), 'x');
    expect(await files.removeEmpty(at('a'))).toBe(false);
    await files.remove(at('a/x'));
    expect(await files.removeEmpty(at('a'))).toBe(true);
    expect(await files.removeEmpty(at('a'))).toBe(true);
  });
}

function bytes(fresh: Fresh): void {
  const all = Uint8Array.from({ length: 1000 }, (_, at) => (at * 7) % 256);

  it('keeps every byte, and gives a part of them', async () => {
    const { files, at } = await fresh();
    await files.write(at('bin'), all);
    expect(Uint8Array.from(await files.readBytes(at('bin')))).toEqual(all);
    expect(Uint8Array.from(await files.readBytes(at('bin'), { from: 990, length: 50 }))).toEqual(all.subarray(990));
    expect(await files.stat(at('bin'))).toMatchObject({ size: 1000, directory: false, mode: 0o600 });
    expect(await files.hash(at('bin'))).toBe('89f4ff56a25dd1db06a4ce6033603775d705fb96f30f8693733fef602a1ca532');
  });

  it('takes them piece by piece, from the start or at the end', async () => {
    const { files, at } = await fresh();
    for (const append of [false, true]) {
      const sink = await files.sink(at('bin'), append);
      await sink.write(all.subarray(0, 300));
      await sink.write(all.subarray(300));
      await sink.close();
    }
    expect((await files.stat(at('bin')))?.size).toBe(2000);
    const sink = await files.sink(at('bin'), false);
    await sink.close();
    expect((await files.stat(at('bin')))?.size).toBe(0);
  });

  it('knows when a file was changed, and how much room there is', async () => {
    const { files, at } = await fresh();
    await files.write(at('a'), 'x');
    expect((await files.stat(at('a')))!.mtimeMs).toBeGreaterThan(0);
    expect(await files.free(at('none/yet'))).toBeGreaterThan(1e6);
  });
}
