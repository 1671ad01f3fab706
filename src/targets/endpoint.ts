/** Whom to talk to: the deployment in this home, or any OpenAI endpoint that the flags name. */
import { resolve } from 'node:path';
import { UserError } from '../errors.js';
import { cliKeyFile } from '../gateway/cli-key.js';
import { say } from '../say.js';
import type { Option, Value } from '../verb.js';
import type { Http, HttpRequest, World } from '../world.js';
import { needDeployment, trust } from './deployment.js';

export interface Endpoint {
  /** The base URL an OpenAI client takes, without a slash at its end. */
  readonly url: string;
  /** Undefined: the endpoint is called without one. */
  readonly key?: string;
  /** The CA to trust, in PEM; undefined: the system's. */
  readonly ca?: string;
  readonly model?: string;
  /** The engine's own metrics, where they can be reached. */
  readonly engineMetricsUrl?: string;
}

export const endpointOptions: readonly Option[] = [
  {
    flags: '--url <url>',
    says: say(
      'Any OpenAI endpoint, for example https://api.deepseek.com/v1; without it, the deployment here',
      '任意 OpenAI 接口，例如 https://api.deepseek.com/v1；默认使用本机部署',
    ),
  },
  {
    flags: '--model <id>',
    says: say('The model to ask, by default the first that is served', '要访问的模型，默认为所提供的第一个'),
  },
  {
    flags: '--key-file <file>',
    says: say(
      'A file that holds the API key; with --url, DEEPSEEK_API_KEY is used otherwise',
      '存放 API 密钥的文件；使用 --url 时也可设置 DEEPSEEK_API_KEY',
    ),
  },
];

async function keyIn(path: string, world: World): Promise<string> {
  const text = await world.files.readIfAny(path);
  if (text?.trim()) return text.trim();
  throw new UserError(
    'endpoint.key',
    text === undefined
      ? say(`There is no key file at ${path}.`, `密钥文件 ${path} 不存在。`)
      : say(`The key file ${path} is empty.`, `密钥文件 ${path} 是空的。`),
    { exit: 'usage' },
  );
}

function address(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return text.replace(/\/+$/, '');
  throw new UserError(
    'endpoint.url',
    say(`"${text}" is no http or https address.`, `“${text}” 不是 http 或 https 地址。`),
    {
      hint: say('For example: --url https://api.deepseek.com/v1', '例如：--url https://api.deepseek.com/v1'),
      exit: 'usage',
    },
  );
}

/**
 * A key never leaves for an address it was not meant for: the deployment's own key goes to its own endpoint only, and
 * DEEPSEEK_API_KEY (a shell often has it set for the cloud) only to what --url names.
 * @throws UserError `deployment.none`, `endpoint.key`, `endpoint.url`
 */
export async function endpointOf(options: Readonly<Record<string, Value>>, world: World): Promise<Endpoint> {
  const { url, model, keyFile } = options as { url?: string; model?: string; keyFile?: string };
  const given = keyFile === undefined ? undefined : await keyIn(resolve(world.cwd, keyFile), world);
  if (url !== undefined) {
    const key = given ?? (world.env.DEEPSEEK_API_KEY?.trim() || undefined);
    return { url: address(url), ...(key ? { key } : {}), ...(model ? { model } : {}) };
  }
  const deployment = await needDeployment(world);
  const { host, port } = deployment.engine;
  return {
    url: deployment.endpoint.replace(/\/+$/, ''),
    key: given ?? (await keyIn(cliKeyFile(world.places.home), world)),
    model: model ?? deployment.model,
    ...(await trust(deployment, world)),
    engineMetricsUrl: `http://${host}:${port}/metrics`,
  };
}

/** The same world, but requests to the endpoint trust its CA. */
export function trusting({ url, ca }: Pick<Endpoint, 'url' | 'ca'>, world: World): World {
  if (ca === undefined) return world;
  const base = `${new URL(url).origin}/`;
  const trusted = (request: HttpRequest): HttpRequest => (request.url.startsWith(base) ? { ...request, ca } : request);
  const http: Http = {
    request: (request) => world.http.request(trusted(request)),
    stream: (request, handler) => world.http.stream(trusted(request), handler),
  };
  return { ...world, http };
}

export const bearer = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key}` };

/**
 * The ids that `/models` lists.
 * @throws UserError `endpoint.unreachable`, `endpoint.refused`
 */
export async function servedModels(endpoint: Pick<Endpoint, 'url' | 'key'>, world: World): Promise<string[]> {
  const url = `${endpoint.url}/models`;
  const answer = await world.http
    .request({ url, headers: bearer(endpoint.key), signal: world.stop })
    .then(async (response) => ({ status: response.status, text: await response.text() }))
    .catch((cause: unknown) => {
      if (world.stop.aborted) throw cause;
      throw new UserError('endpoint.unreachable', say(`Nothing answers at ${url}.`, `${url} 没有响应。`), {
        hint: say('See whether it runs: deepseek-deploy status', '查看是否在运行：deepseek-deploy status'),
        exit: 'problem',
        cause,
      });
    });
  const ids = answer.status === 200 ? idsIn(answer.text) : undefined;
  if (ids) return ids;
  throw new UserError(
    'endpoint.refused',
    say(`${url} answered ${answer.status}, and no list of models.`, `${url} 返回 ${answer.status}，没有模型列表。`),
    {
      ...(answer.status === 401 || answer.status === 403
        ? { hint: say('Give a valid key: --key-file FILE', '请提供有效的密钥：--key-file FILE') }
        : {}),
      exit: 'problem',
      cause: new Error(answer.text.slice(0, 200)),
    },
  );
}

function idsIn(text: string): string[] | undefined {
  try {
    const { data } = JSON.parse(text) as { data?: { id?: unknown }[] };
    return data?.map(({ id }) => String(id));
  } catch {
    return undefined;
  }
}
