/** Who is at work on what a verb only looks at: said beside what is seen, for it may change under one's eyes. */
import { UserError } from '../errors.js';
import { type AtWork, atWorkOn } from '../fleet/lock.js';
import { atWorkHere } from '../plan/lock.js';
import { say, type Text } from '../say.js';
import type { World } from '../world.js';

/** Of a run in this home, before it has the cluster's lock or on this machine alone, only what and since when is known. */
export type Work = Pick<AtWork, 'what' | 'since' | 'state'> & Partial<AtWork>;

/** @param first the host that the cluster's lock lies on; a host that does not answer tells nothing */
export async function workOn(first: World | undefined, here: World): Promise<Work | undefined> {
  const own = await atWorkHere(here);
  const there = first && (await seen(first, here, own !== undefined));
  if (there) return there;
  return own && { what: own.what, since: own.since, state: 'working' };
}

async function seen(first: World, here: World, hereWorks: boolean): Promise<Work | undefined> {
  try {
    return await atWorkOn(first, here, hereWorks);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

const person = ({ who, from }: Work): string => (who === undefined ? 'deepseek-deploy' : `${who}@${from}`);

export function workLine(work: Work): Text {
  const { what, since, state, ageS } = work;
  const by = `${person(work)} (${what}, ${since})`;
  if (state === 'ended')
    return say(
      `A run has ended before its end: ${by}. The same command carries on from there.`,
      `有一次运行提前结束：${by}。再次运行同一命令即可继续。`,
    );
  const heard = ageS === undefined ? say('', '') : say(`, heard ${ageS} s ago`, `，${ageS} 秒前有响应`);
  return say(
    `Somebody is at work here: ${by}${heard.en}. What is not there yet may still come.`,
    `有人正在此处操作：${by}${heard.zh}。尚缺的内容可能仍会补上。`,
  );
}
