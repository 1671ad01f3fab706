/** The running gateway's settings: written to disk first (the truth after a restart), then put, then read back. */
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { type Admin, getSettings, putSettings, revisionOf, settingsOf } from './admin.js';
import { gatewayDirectory, secretsFile, settingsAsFile, settingsFile } from './files.js';
import { readSettings, type Secrets, type Settings } from './settings.js';

export async function storedSettings(world: World): Promise<Settings> {
  return readSettings(await world.files.read(settingsFile(gatewayDirectory(world.places.home))));
}

export async function storedSecrets(world: World): Promise<Secrets> {
  return JSON.parse(await world.files.read(secretsFile(gatewayDirectory(world.places.home)))) as Secrets;
}

/** Undefined before `init` has made them. */
export async function settingsHere(world: World): Promise<Settings | undefined> {
  const text = await world.files.readIfAny(settingsFile(gatewayDirectory(world.places.home)));
  return text === undefined ? undefined : readSettings(text);
}

/** Undefined before `init` has made them. */
export async function secretsHere(world: World): Promise<Secrets | undefined> {
  const text = await world.files.readIfAny(secretsFile(gatewayDirectory(world.places.home)));
  return text === undefined ? undefined : (JSON.parse(text) as Secrets);
}

/** @returns whether a gateway ran there and took them; nothing listening is no error: it reads the file when it starts. */
async function push(world: World, admin: Admin, settings: Settings): Promise<boolean> {
  const put = await world.http.request(putSettings(admin, settings)).catch(() => undefined);
  if (!put) return false;
  // The gateway polls the file too: it may have taken this very revision before we asked.
  if (put.status === 409) await put.text();
  else await revisionOf(put);
  const live = await settingsOf(await world.http.request(getSettings(admin)));
  if (live.revision >= settings.revision) return true;
  throw new UserError(
    'gateway.settings',
    say(
      `The gateway still runs on revision ${live.revision}, not ${settings.revision}.`,
      `网关仍在使用修订版 ${live.revision}，而不是 ${settings.revision}。`,
    ),
  );
}

/**
 * Changes the settings of this home's gateway; the caller holds the lock.
 * @returns the new settings, and whether a running gateway goes by them already
 */
export async function changeSettings(
  world: World,
  adminPort: number,
  change: (settings: Settings) => Settings,
): Promise<{ settings: Settings; live: boolean }> {
  const settings = change(await storedSettings(world));
  const file = settingsAsFile(gatewayDirectory(world.places.home), settings);
  await world.files.write(file.path, file.content, file.mode);
  const { adminKey } = await storedSecrets(world);
  const live = await push(world, { host: '127.0.0.1', port: adminPort, key: adminKey }, settings);
  return { settings, live };
}
