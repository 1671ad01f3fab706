/** An OpenAI-compatible API elsewhere that answers chats when no engine does, whole: the Lua has no defaults of its own. */

export interface CloudOptions {
  /** A name (looked up as `dns` says) or an address; its certificate has to be for it. */
  readonly host: string;
  readonly port: number;
  /** Of chat completions. */
  readonly path: string;
  /** What a model of ours is called there; a model without a name does not go there. */
  readonly models: Readonly<Record<string, string>>;
}

/**
 * @param baseUrl as OpenAI's clients take it: 'https://api.deepseek.com/v1'
 * @returns undefined where it is no https URL without user, query and fragment
 */
export function cloudOptions(baseUrl: string, models: CloudOptions['models']): CloudOptions | undefined {
  if (!URL.canParse(baseUrl)) return undefined;
  const { protocol, hostname, port, pathname, username, password, search, hash } = new URL(baseUrl);
  if (protocol !== 'https:' || username || password || search || hash) return undefined;
  const path = `${pathname.replace(/\/+$/, '')}/chat/completions`;
  return { host: hostname, port: port === '' ? 443 : Number(port), path, models };
}
