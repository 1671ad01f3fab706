/** The keys that tokens are signed with: secrets.json first (the truth after a restart), then put, then read back. */
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { type Admin, getTokenKeys, putTokenKeys, tokenKeysOf } from './admin.js';
import { storedSecrets } from './change.js';
import { gatewayDirectory, secretsAsFile } from './files.js';
import type { TokenKeys } from './oauth.js';

async function push(world: World, admin: Admin, keys: TokenKeys): Promise<boolean> {
  const put = await world.http.request(putTokenKeys(admin, keys)).catch(() => undefined);
  if (!put) return false;
  // A gateway that has just been reloaded has them from the file.
  if (put.status === 409) await put.text();
  else await tokenKeysOf(put);
  const live = await tokenKeysOf(await world.http.request(getTokenKeys(admin)));
  if (live.kids[0] === keys.current.kid) return true;
  throw new UserError(
    'gateway.token-keys',
    say(
      `The gateway still signs with ${live.kids[0] ?? 'no key'}, not ${keys.current.kid}.`,
      `网关仍在使用签名密钥 ${live.kids[0] ?? '（无）'}，而不是 ${keys.current.kid}。`,
    ),
  );
}

/**
 * Changes the signing keys of this home's gateway; the caller holds the lock.
 * @param change gets undefined while there are none
 * @returns whether a running gateway goes by them already
 */
export async function changeTokenKeys(
  world: World,
  adminPort: number,
  change: (keys: TokenKeys | undefined) => TokenKeys,
): Promise<{ keys: TokenKeys; live: boolean }> {
  const secrets = await storedSecrets(world);
  const keys = change(secrets.tokenKeys);
  const file = secretsAsFile(gatewayDirectory(world.places.home), { ...secrets, tokenKeys: keys });
  await world.files.write(file.path, file.content, file.mode);
  const live = await push(world, { host: '127.0.0.1', port: adminPort, key: secrets.adminKey }, keys);
  return { keys, live };
}
