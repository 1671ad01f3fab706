/** Who made a bundle: an Ed25519 signature over its manifest, which has the hash of everything else. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { World } from '../world.js';

export interface Seal {
  /** The public key, 32 bytes in base64. */
  readonly key: string;
  readonly signature: string;
}

/** Root's or the user's alone. */
export const keyFile = (home: string): string => `${home}/bundle-key.pem`;

const publicOf = (key: KeyObject): string =>
  Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url').toString('base64');

/** The key of this home, undefined where none was made yet. */
export async function ownKey(world: World): Promise<string | undefined> {
  const pem = await world.files.readIfAny(keyFile(world.places.home));
  return pem === undefined ? undefined : publicOf(createPrivateKey(pem));
}

/** Signs with the key of this home, which is made the first time. */
export async function seal(manifest: string, world: World): Promise<Seal> {
  const file = keyFile(world.places.home);
  await world.files.makeDir(world.places.home);
  const { privateKey } = generateKeyPairSync('ed25519');
  await world.files.create(file, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  const key = createPrivateKey(await world.files.read(file));
  return { key: publicOf(key), signature: sign(null, Buffer.from(manifest), key).toString('base64') };
}

export const isKey = (text: string): boolean => /^[A-Za-z0-9+/]{43}=$/.test(text);

/** @returns undefined for what is no seal */
export function readSeal(text: string): Seal | undefined {
  try {
    const { key, signature } = JSON.parse(text) as Seal;
    return isKey(key) && typeof signature === 'string' ? { key, signature } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the manifest is what the owner of the seal's key signed. */
export function isSealed(manifest: string, { key, signature }: Seal): boolean {
  const x = Buffer.from(key, 'base64').toString('base64url');
  const its = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return verify(null, Buffer.from(manifest), its, Buffer.from(signature, 'base64'));
}
