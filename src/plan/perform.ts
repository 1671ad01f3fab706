import { isSupply, show as showCommand } from '../command.js';
import { UserError } from '../errors.js';
import { Meter, progressText } from '../models/progress.js';
import { say, type Text } from '../say.js';
import type { Result, Upload, World } from '../world.js';
import { allDone, many } from './many.js';
import { type Action, tail } from './step.js';

/**
 * What is waited for is asked again after a tenth of the time it has taken so far, within these bounds, ms: so much may be
 * waited in vain, and each question takes a process on a host that has better things to do.
 */
const poll = { least: 150, most: 1000 };
export type Note = (text: Text) => void;

/**
 * Does one action.
 * @param onResult hears what a command gave, also a failed one
 * @throws UserError when it fails; exit status and output of a command are in its message.
 */
export async function perform(
  action: Action,
  world: World,
  note: Note,
  onResult: (result: Result) => void = () => {},
): Promise<void> {
  const { files } = world;
  switch (action.kind) {
    case 'run':
      return run(action, world, note, onResult);
    case 'dir':
      await files.makeDir(action.path, action.mode);
      await files.chmod(action.path, action.mode);
      return own(action, world);
    case 'write':
      await files.write(action.path, await made(action.content), action.mode);
      return own(action, world);
    case 'move':
      return move(action, world);
    case 'remove':
      return files.remove(action.path);
    case 'fetch':
      return fetch(action, world, note);
    case 'upload':
      return upload(action, world, note);
    case 'supervise':
      return supervise(world);
    case 'wait':
      return wait(action, world, note);
  }
}

async function move({ from, to, orKeep }: Action & { kind: 'move' }, { files }: World): Promise<void> {
  if (orKeep && (await files.stat(to))) return files.remove(from);
  return files.rename(from, to);
}

async function made(content: (Action & { kind: 'write' })['content']): Promise<string | Uint8Array> {
  if (typeof content === 'string') return content;
  return isSupply(content) ? content.get() : content.make();
}

async function own(action: { readonly path: string; readonly owner?: number }, world: World): Promise<void> {
  if (action.owner !== undefined) await world.files.chown(action.path, action.owner, action.owner);
}

async function run(
  action: Action & { kind: 'run' },
  world: World,
  note: Note,
  onResult: (result: Result) => void,
): Promise<void> {
  const onLine = (line: string): void => {
    const words = line.trim().slice(0, 60);
    if (words) note(say(words, words));
  };
  const result = await world.host.run(action.command, { onLine, signal: world.stop });
  onResult(result);
  if (result.code === 0 || world.stop.aborted) return;
  if (action.failed) throw action.failed(result);
  const line = showCommand(action.command);
  throw new UserError(
    'command.failed',
    say(
      `${line}\nended with status ${result.code}:\n${tail(result)}`,
      `${line}\n以状态 ${result.code} 结束：\n${tail(result)}`,
    ),
  );
}

async function fetch(action: Action & { kind: 'fetch' }, world: World, note: Note): Promise<void> {
  const { download, progressText } = await import('../models/fetch.js');
  await download(world, action, (progress) => note(progressText(progress)));
}

/** So many files of a host at once: most are small, and each waits for its disk. */
const uploads = 4;

async function upload({ folder, files }: Action & { kind: 'upload' }, world: World, note: Note): Promise<void> {
  const paths = files.map(({ path }) => `${folder}/${path}`);
  const folders = new Set(paths.map((path) => path.slice(0, path.lastIndexOf('/'))));
  for (const one of folders) await world.files.makeDir(one, 0o755);
  const total = files.reduce((sum, { content }) => sum + content.bytes, 0);
  const now = (): number => world.clock.monotonic();
  const meter = new Meter('fetch', 0, total, now, (progress) => note(progressText(progress)));
  const named = files.map((file) => ({ name: file.path, ...file }));
  const outcomes = await many(
    named,
    uploads,
    async ({ path, content }) => {
      const told = counted(content, (bytes) => meter.add(bytes));
      await world.host.put(`${folder}/${path}`, told, { mode: 0o644, owner: '0:0', sudo: true });
    },
    { stopAtFailure: true, signal: world.stop },
  );
  if (!world.stop.aborted) allDone(outcomes.filter(({ state }) => state !== 'skipped'));
}

/** A file of gigabytes tells how far it is. */
const counted = (content: Upload, add: (bytes: number) => void): Upload => ({
  ...content,
  async *chunks() {
    for await (const chunk of content.chunks()) {
      yield chunk;
      add(chunk.length);
    }
  },
});

async function supervise(world: World): Promise<void> {
  const { startSupervision } = await import('../supervisor/control.js');
  await startSupervision(world);
}

async function wait(action: Action & { kind: 'wait' }, world: World, note: Note): Promise<void> {
  const begun = world.clock.monotonic();
  for (;;) {
    const answer = await action.until(world);
    if (answer === true) return;
    note(answer);
    const waited = world.clock.monotonic() - begun;
    if (waited >= action.timeoutMs) throw waitedInVain(action, answer);
    await world.clock.sleep(Math.min(poll.most, Math.max(poll.least, waited / 10)), world.stop);
  }
}

function waitedInVain(action: Action & { kind: 'wait' }, answer: Text): UserError {
  const seconds = Math.round(action.timeoutMs / 1000);
  return new UserError(
    'wait.timeout',
    say(
      `Waited ${seconds} s for ${action.what.en}: ${answer.en}`,
      `等待${action.what.zh} ${seconds} 秒未果：${answer.zh}`,
    ),
    { hint: say('See what was written: deepseek-deploy logs', '查看日志：deepseek-deploy logs') },
  );
}
