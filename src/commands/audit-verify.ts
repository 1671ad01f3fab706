import type { Link } from '../audit/chain.js';
import { type Finding, type Verdict, verify } from '../audit/verify.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Verb } from '../verb.js';
import type { World } from '../world.js';
import { logOf, places } from './audit-log.js';
import { json } from './credentials.js';

function headOf(text: string | undefined): Link | undefined {
  if (text === undefined) return undefined;
  const [, seq, mac] = /^(\d{1,15}):([A-Za-z0-9+/]{24})$/.exec(text) ?? [];
  if (seq !== undefined && mac !== undefined) return { seq: Number(seq), mac };
  throw new UserError('audit.head', say(`'${text}' is no head of a log.`, `“${text}”不是链头。`), {
    hint: say('audit verify prints it: 12:AbC…', 'audit verify 会打印，形如 12:AbC…'),
    exit: 'usage',
  });
}

const place = ({ file, line }: Finding): string => (line === undefined ? file : `${file}:${line}`);
const shownHead = ({ seq, mac }: Link): string => `${seq}:${mac}`;

function tellVerdict(world: World, { files, lines, pruned, problems, notes, head }: Verdict): void {
  const { ui } = world;
  const all = [...problems.map((one) => [ui.paint.bad('✗'), one] as const), ...notes.map((one) => ['!', one] as const)];
  for (const [mark, one] of all) ui.line(`${mark} ${place(one)}  ${ui.text(one.text)}`);
  if (all.length > 0) ui.line();
  ui.line(
    say(
      `Lines: ${lines}. Files: ${files}, and ${pruned} pruned.`,
      `${files} 个文件共 ${lines} 行；已清理 ${pruned} 个文件`,
    ),
  );
  ui.line(
    problems.length === 0
      ? say('All is as it was written.', '全部与写入时一致。')
      : say(`${problems.length} problems`, `发现 ${problems.length} 个问题`),
  );
  if (head.seq > 0) {
    ui.line(
      say(
        `Head: ${shownHead(head)}. Kept elsewhere, it proves later that nothing newer was taken away (--head).`,
        `链头：${shownHead(head)}。另行保存后，可用 --head 证明其后的内容未被移除。`,
      ),
    );
  }
}

export const verifyAll: Verb = {
  options: [
    { flags: '--head <head>', says: say('The head that an earlier verify printed', '此前 verify 打印的链头') },
    ...places,
  ],
  run: async (input, world) => {
    const log = await logOf(input, world);
    const noted = headOf(input.options.head as string | undefined);
    const verdict = await verify(log, noted);
    if (input.json) json(world, { ...verdict, head: verdict.head.seq > 0 ? shownHead(verdict.head) : null });
    else tellVerdict(world, verdict);
    return verdict.problems.length > 0 ? 'problem' : undefined;
  },
};
