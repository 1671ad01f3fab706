import type { Log } from '../audit/files.js';
import { type Old, oldFiles, prune } from '../audit/prune.js';
import { readFile } from '../audit/verify.js';
import { UserError } from '../errors.js';
import { leastDays } from '../gateway/audit.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import type { Verb } from '../verb.js';
import type { World } from '../world.js';
import { logOf, places } from './audit-log.js';
import { json, nowOf } from './credentials.js';

/** @throws UserError `audit.prune-days` */
function daysOf(text: string | undefined): number {
  const [, days] = /^(\d{1,5})d?$/.exec(text ?? `${leastDays}d`) ?? [];
  if (days !== undefined && Number(days) >= leastDays) return Number(days);
  throw new UserError(
    'audit.prune-days',
    say(`The audit log is kept for ${leastDays} days at the least.`, `审计日志至少保留 ${leastDays} 天。`),
    { hint: say(`For example: --older-than ${leastDays}d`, `例如：--older-than ${leastDays}d`), exit: 'usage' },
  );
}

async function confirmed(world: World, old: readonly Old[], yes: boolean): Promise<void> {
  if (yes || old.length === 0) return;
  for (const { file, lines } of old) world.ui.line(`  ${file}  ${lines}`);
  const question = say(`Remove these ${old.length} files?`, `删除这 ${old.length} 个文件？`);
  if (world.ui.interactive && (await world.ui.confirm(question, false))) return;
  throw new UserError('audit.prune-confirm', say('Nothing was removed: it needs a yes.', '未删除：需要确认。'), {
    hint: say('Type: deepseek-deploy audit prune --yes', '请输入：deepseek-deploy audit prune --yes'),
    exit: 'usage',
  });
}

/** A file that is not as it was written is evidence, and stays. */
async function sound(log: Log, old: readonly Old[]): Promise<readonly Old[]> {
  const found: Old[] = [];
  for (const one of old) {
    const { problems, link } = await readFile(log, one.file);
    if (problems.length === 0 && link.mac === one.last) found.push(one);
  }
  return found;
}

export const pruneOld: Verb = {
  options: [
    {
      flags: '--older-than <days>',
      says: say('Age of the files, 180d at the least', '文件的天数，至少 180d'),
      initial: `${leastDays}d`,
    },
    ...places,
  ],
  run: async (input, world) => {
    const days = daysOf(input.options.olderThan as string | undefined);
    const log = await logOf(input, world);
    const [removed, kept] = await locked(world, 'audit prune', async () => {
      const old = await oldFiles(log, days, nowOf(world));
      const good = await sound(log, old);
      await confirmed(world, good, input.yes);
      await prune(log, good, nowOf(world));
      return [good, old.filter((one) => !good.includes(one))] as const;
    });
    const files = (list: readonly Old[]): string[] => list.map(({ file }) => file);
    if (input.json) json(world, { removed: files(removed), kept: files(kept) });
    else {
      world.ui.line(say(`${removed.length} files removed`, `已删除 ${removed.length} 个文件`));
      for (const file of files(kept)) {
        world.ui.line(say(`${file} was changed since it was written, and stays.`, `${file} 写入后被改动，予以保留。`));
      }
    }
    return kept.length > 0 ? 'problem' : undefined;
  },
};
