/** The hosts of a cluster, asked for one after the other; an empty answer ends the list. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import { readHost } from './host-flags.js';

export interface HostAnswers {
  readonly host: readonly string[];
  readonly role: readonly string[];
}

const wrong = (word: string): Text | undefined => {
  try {
    readHost(word);
    return undefined;
  } catch (error) {
    return error instanceof UserError ? error.text : say(String(error), String(error));
  }
};

export async function askHosts({ ui }: World): Promise<HostAnswers> {
  const first = await ui.input(say('The control plane: user@address', '控制平面主机：用户@地址'), '', (word) =>
    wrong(word.trim()),
  );
  const workers: string[] = [];
  for (;;) {
    const question = say('A worker: user@address (nothing: no more)', '工作节点：用户@地址（直接回车结束）');
    const word = (await ui.input(question, '', (text) => (text.trim() === '' ? undefined : wrong(text.trim())))).trim();
    if (word === '') break;
    workers.push(word);
  }
  const all = workers.length === 0 ? 'control-plane,worker' : 'control-plane';
  return { host: [first.trim(), ...workers], role: [all, ...workers.map(() => 'worker')] };
}
