/** Whose bundles are taken: the key that is named, that of this home, or one that somebody said yes to. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import type { Bundle } from './open.js';
import { ownKey } from './seal.js';

const trustedFile = (home: string): string => `${home}/bundle-keys`;

const untrusted = ({ path, key }: Bundle, named: string | undefined): UserError =>
  new UserError(
    'bundle.key',
    named === undefined
      ? say(
          `${path} is signed by ${key}, whom nobody here has trusted yet.`,
          `${path} 由 ${key} 签名，此处尚未信任该密钥。`,
        )
      : say(`${path} is signed by ${key}, not by ${named}.`, `${path} 由 ${key} 签名，而非 ${named}。`),
    {
      hint: say(
        `Compare the key with what its maker says (bundle create printed it), then: --bundle-key ${key}`,
        `请与制作者提供的密钥核对（bundle create 会打印），然后使用：--bundle-key ${key}`,
      ),
      exit: 'unready',
    },
  );

/**
 * @param named the key that the configuration or a flag insists on
 * @returns why it is trusted
 * @throws UserError `bundle.key`, exit 'unready'
 */
export async function trusted(bundle: Bundle, named: string | undefined, world: World): Promise<Text> {
  const { key } = bundle;
  if (named !== undefined && named !== key) throw untrusted(bundle, named);
  if (named === key) return say('the key that is named', '指定的密钥');
  if ((await ownKey(world)) === key) return say('made here', '在本机制作');
  const file = trustedFile(world.places.home);
  const known = (await world.files.readIfAny(file)) ?? '';
  if (known.split('\n').includes(key)) return say('trusted before', '此前已信任');
  const { ui } = world;
  if (!ui.interactive) throw untrusted(bundle, undefined);
  const question = say(
    `${bundle.path} is signed by ${key}. Trust this key?`,
    `${bundle.path} 由 ${key} 签名。是否信任该密钥？`,
  );
  if (!(await ui.confirm(question, false))) throw untrusted(bundle, undefined);
  await world.files.makeDir(world.places.home);
  await world.files.write(file, `${known}${key}\n`);
  return say('trusted now', '现已信任');
}
