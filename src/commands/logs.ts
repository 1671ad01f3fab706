import { UserError } from '../errors.js';
import { say } from '../say.js';
import { logFile, processNames } from '../steps/setup.js';
import { needDeployment } from '../targets/deployment.js';
import type { Verb } from '../verb.js';
import type { World } from '../world.js';

const pollMs = 250;
/** The end of a log that `--lines` looks through. */
const windowBytes = 1 << 20;

interface Log {
  readonly name: string;
  readonly path: string;
}

async function lastLines(world: World, log: Log, count: number): Promise<string[]> {
  const stat = await world.files.stat(log.path);
  if (!stat || stat.size === 0) return [];
  const from = Math.max(0, stat.size - windowBytes);
  const bytes = await world.files.readBytes(log.path, { from, length: stat.size - from });
  const lines = new TextDecoder().decode(bytes).split('\n').filter(Boolean);
  // A window that begins within a line shows no half of it.
  return lines.slice(from > 0 ? 1 : 0).slice(-count);
}

/** What came since the last look; a log that shrank was rotated and is read from its start. */
async function* follow(world: World, logs: readonly Log[]): AsyncGenerator<{ log: Log; line: string }> {
  const at = new Map<string, number>();
  const rest = new Map<string, string>();
  for (const log of logs) at.set(log.name, (await world.files.stat(log.path))?.size ?? 0);
  while (!world.stop.aborted) {
    for (const log of logs) {
      const size = (await world.files.stat(log.path))?.size ?? 0;
      const from = size < at.get(log.name)! ? 0 : at.get(log.name)!;
      if (size === from) continue;
      const bytes = await world.files.readBytes(log.path, { from, length: size - from });
      at.set(log.name, from + bytes.length);
      const lines = ((rest.get(log.name) ?? '') + new TextDecoder().decode(bytes)).split('\n');
      rest.set(log.name, lines.pop() ?? '');
      for (const line of lines) yield { log, line };
    }
    await world.clock.sleep(pollMs, world.stop).catch(() => {});
  }
}

function chosen(home: string, names: readonly string[]): Log[] {
  const unknown = names.filter((name) => !processNames.includes(name));
  if (unknown.length > 0) {
    throw new UserError(
      'logs.unknown',
      say(`There is no log called ${unknown.join(', ')}.`, `没有名为 ${unknown.join('、')} 的日志。`),
      {
        hint: say(`There are: ${processNames.join(', ')}`, `可选：${processNames.join('、')}`),
        exit: 'usage',
      },
    );
  }
  return (names.length > 0 ? names : processNames).map((name) => ({ name, path: logFile(home, name) }));
}

export const verb: Verb = {
  args: [
    {
      name: '[log...]',
      says: say('engine, gateway, supervisor; all by default', 'engine、gateway、supervisor；默认全部'),
    },
  ],
  options: [
    { flags: '-f, --follow', says: say('Go on with new lines as they come', '持续输出新日志') },
    {
      flags: '-n, --lines <count>',
      says: say('How many of the last lines', '显示最后多少行'),
      kind: 'integer',
      min: 0,
      initial: 50,
    },
  ],
  async run(input, world) {
    await needDeployment(world);
    const logs = chosen(world.places.home, input.args);
    const count = (input.options.lines as number | undefined) ?? 50;
    const width = Math.max(...logs.map(({ name }) => name.length));
    const print = (name: string, line: string): void =>
      world.ui.out(`${logs.length > 1 ? `${world.ui.paint.dim(name.padEnd(width))}  ` : ''}${line}\n`);
    const found = await Promise.all(
      logs.map(async (log) => ({ name: log.name, lines: await lastLines(world, log, count) })),
    );
    if (input.json) {
      world.ui.out(`${JSON.stringify(Object.fromEntries(found.map(({ name, lines }) => [name, lines])), null, 2)}\n`);
      return undefined;
    }
    for (const { name, lines } of found) for (const line of lines) print(name, line);
    if (input.options.follow) for await (const { log, line } of follow(world, logs)) print(log.name, line);
    return undefined;
  },
};
