import type { Supply } from '../command.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';

/** Longer is no password. */
const most = 4096;

/**
 * The sudo password, asked for once without showing it, or the first line of standard input where nobody can type.
 * @throws UserError `sudo.no-password`, exit 'usage'
 */
export async function sudoPassword(world: World): Promise<Supply> {
  const typed = await world.ui.secret(say('Password for sudo', 'sudo 密码'));
  const line =
    typed ??
    new TextDecoder()
      .decode(await world.stdin(most))
      .split('\n')[0]!
      .replace(/\r$/, '');
  if (line !== '') return { name: 'sudo-password', get: async () => line };
  throw new UserError('sudo.no-password', say('No password was given for sudo.', '未提供 sudo 密码。'), {
    hint: say(
      'Type it when asked, or give it as the first line of standard input.',
      '请在提示时输入，或作为标准输入的第一行提供。',
    ),
    exit: 'usage',
  });
}
