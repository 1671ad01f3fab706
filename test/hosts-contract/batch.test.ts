import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/command.js';
import { batched, readBatch } from '../../src/hosts/batch.js';
import { localHost } from '../../src/hosts/local.js';
import { remoteFiles } from '../../src/hosts/remote-files.js';
import type { Host } from '../../src/world.js';
import { contract, sh } from './contract.js';
import { filesContract } from './files.js';

const folderHere = () => mkdtempSync(`${tmpdir()}/dd-batch-`);

contract('a host whose questions travel together', async () => {
  const folder = folderHere();
  return {
    host: batched(localHost),
    folder,
    real: true,
    root: userInfo().uid === 0,
    slack: 1500,
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
});

filesContract(
  'files of a host whose questions travel together',
  async () => {
    const folder = folderHere();
    const files = remoteFiles(batched(localHost));
    return { files, folder, close: async () => rmSync(folder, { recursive: true, force: true }) };
  },
  userInfo().uid !== 0,
);

/** Counts the sessions. */
function counted(): { host: Host; sessions: Command[] } {
  const sessions: Command[] = [];
  const run: Host['run'] = (command, options) => {
    sessions.push(command);
    return localHost.run({ ...command, sudo: false }, options);
  };
  return { host: batched({ ...localHost, run }), sessions };
}

const text = fc.string({
  unit: fc.constantFrom("'", '"', '$', '`', '\\', ' ', '\n', 'a', '%', '*', '中'),
  maxLength: 12,
});

describe('questions that are asked at once', () => {
  it('take one session, and each has the answer it would have alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(text, text, fc.integer({ min: 0, max: 120 })), { minLength: 2, maxLength: 6 }),
        async (all) => {
          const { host, sessions } = counted();
          const script = 'printf %s "$1"; printf %s "$2" >&2; exit "$3"';
          const asked = all.map(([out, err, code]) => host.run(sh(script, out, err, String(code))));
          const answers = await Promise.all(asked);
          expect(answers).toEqual(all.map(([stdout, stderr, code]) => ({ code, stdout, stderr })));
          expect(sessions).toHaveLength(1);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('the same one of several is asked once, and all have its answer', async () => {
    const { host, sessions } = counted();
    const folder = folderHere();
    const same = () => host.run(sh('echo x >>"$1"; wc -l <"$1"', `${folder}/asked`));
    const answers = await Promise.all([same(), host.run({ argv: ['echo', 'other'] }), same(), same()]);
    expect(answers.map(({ stdout }) => stdout.trim())).toEqual(['1', 'other', '1', '1']);
    expect(sessions).toHaveLength(1);
    const alone = await Promise.all([same(), same()]);
    expect(alone.map(({ stdout }) => stdout.trim())).toEqual(['2', '2']);
    const another = await Promise.all([
      same(),
      host.run({ ...sh('echo "$A"'), env: { A: 'a' } }),
      host.run(sh('echo "$A"')),
    ]);
    expect(another.map(({ stdout }) => stdout.trim())).toEqual(['3', 'a', '']);
    rmSync(folder, { recursive: true });
  });

  it('those of root and those of the user apart', async () => {
    const { host, sessions } = counted();
    const all = ['a', 'b', 'c', 'd'].map((word, at) => host.run({ argv: ['echo', word], sudo: at < 2 }));
    expect((await Promise.all(all)).map(({ stdout }) => stdout.trim())).toEqual(['a', 'b', 'c', 'd']);
    expect(sessions.map(({ sudo }) => sudo)).toEqual([true, false]);
  });

  it('a slow one past its time, one that is not there, variables', async () => {
    const { host } = counted();
    const answers = await Promise.all([
      host.run({ ...sh('echo begun; sleep 30'), timeoutMs: 300 }),
      host.run({ argv: ['no-such-program-here'] }),
      host.run({ ...sh('echo "$DD_X"'), env: { DD_X: "it's $HOME" } }),
    ]);
    expect(answers.map(({ code }) => code)).toEqual([124, 127, 0]);
    expect(answers[0]!.stdout).toBe('begun\n');
    expect(answers[2]!.stdout).toBe("it's $HOME\n");
  });

  it('what has input, a secret, lines to hear or a GPU driver goes alone', async () => {
    const { host, sessions } = counted();
    await Promise.all([
      host.run({ argv: ['cat'], stdin: 'x' }),
      host.run({ argv: ['true'], env: { A: { name: 'a', get: async () => 'secret' } } }),
      host.run({ argv: ['true'] }, { onLine: () => {} }),
      host.run({ argv: ['nvidia-smi', '-L'] }),
      host.run({ argv: ['true'] }),
    ]);
    expect(sessions).toHaveLength(5);
  });

  it('a connection that breaks is told to all of them', async () => {
    const host = batched({ ...localHost, run: async () => Promise.reject(new Error('lost')) });
    const all = await Promise.allSettled([host.run({ argv: ['a'] }), host.run({ argv: ['b'] })]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('half an answer is none', () => {
    expect(readBatch('0 .YQ== .\n', 1)).toEqual([{ code: 0, stdout: 'a', stderr: '' }]);
    expect(readBatch('0 .YQ== .\n', 2)).toBeUndefined();
    expect(readBatch('0 .YQ== ', 1)).toBeUndefined();
    expect(readBatch('', 1)).toBeUndefined();
  });
});
