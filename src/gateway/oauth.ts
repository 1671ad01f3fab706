/** Settings and secrets of OAuth2 client credentials, whole: the Lua has no defaults of its own. */
import type { Credential } from './credential.js';

/** Its id is the `client_id`, and the `sub` of its tokens. */
export interface Client extends Credential {
  /** The secret before the last rotation, taken until it ends. */
  readonly previous?: { readonly hash: string; readonly endsAt: number };
  /** Stands in its tokens; those of another epoch are refused. */
  readonly epoch: number;
}

export interface OAuthOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Seconds a token lives. */
  readonly ttlS: number;
  /** Seconds that clocks may differ. */
  readonly leewayS: number;
}

export interface SigningKey {
  /** Letters, digits, - and _. */
  readonly kid: string;
  /** 32 bytes or more, base64url. */
  readonly secret: string;
}

export interface TokenKeys {
  /** Grows with each rotation. */
  readonly version: number;
  readonly current: SigningKey;
  /** Signs no more; what it signed holds until `endsAt`. */
  readonly previous?: SigningKey & { readonly endsAt: number };
}

/** @param name of the deployment */
export const oauthOptions = (name: string, given: Partial<OAuthOptions> = {}): OAuthOptions => ({
  issuer: `urn:deepseek-deploy:${name}`,
  audience: 'deepseek-api',
  ttlS: 24 * 3600,
  leewayS: 30,
  ...given,
});

/**
 * Another key signs from now on; the one before it is kept until the last of its tokens has ended.
 * @param bytes 38 random bytes: 32 make the secret, 6 the kid
 * @param now seconds since 1970
 * @param keepS how long tokens of the old key still hold, in seconds; 0 ends them now
 */
export function rotateTokenKeys(
  before: TokenKeys | undefined,
  bytes: Uint8Array,
  now: number,
  keepS: number,
): TokenKeys {
  const current: SigningKey = {
    kid: Buffer.from(bytes.subarray(32, 38)).toString('hex'),
    secret: Buffer.from(bytes.subarray(0, 32)).toString('base64url'),
  };
  const version = (before?.version ?? 0) + 1;
  return before && keepS > 0
    ? { version, current, previous: { ...before.current, endsAt: now + keepS } }
    : { version, current };
}
