/** What `keys` and `clients` have in common: both hand out secrets to tenants and keep their hashes. */
import { usageError } from '../errors.js';
import type { NewCredential } from '../gateway/credential.js';
import { parseExpiry } from '../gateway/keys.js';
import type { OwnLimits } from '../gateway/limits.js';
import { limitWords, ownLimits } from '../gateway/own-limits.js';
import { type Settings, withLimits } from '../gateway/settings.js';
import { say, type Text } from '../say.js';
import { table } from '../table.js';
import type { Input, Option, Verb } from '../verb.js';
import type { World } from '../world.js';

/** Seconds since 1970. */
export const nowOf = (world: World): number => Math.floor(world.clock.now() / 1000);

export const json = (world: World, value: unknown): void => world.ui.out(`${JSON.stringify(value, null, 2)}\n`);

/** A gateway that is down reads the change when it starts. */
export function tellWhen(world: World, live: boolean): void {
  if (live) return;
  world.ui.line(say('The gateway is not running; it will know when it starts.', '网关没有运行，启动后会生效。'));
}

export const createOptions: readonly Option[] = [
  { flags: '--tenant <tenant>', says: say('The tenant it belongs to', '所属租户'), initial: 'default' },
  { flags: '--model <model>', says: say('Only for this model; may be repeated', '仅限此模型；可重复'), kind: 'list' },
  {
    flags: '--expires <when>',
    says: say('When it ends: 12h, 90d, or a date; never by default', '到期时间：12h、90d 或日期；默认永不过期'),
  },
  {
    flags: '--limit <limits>',
    says: say(
      'Its own limits, such as rpm=60,tpm=10k,daily=1m,concurrent=4',
      '单独的限额，例如 rpm=60,tpm=10k,daily=1m,concurrent=4',
    ),
    kind: 'list',
  },
];

interface CreateOptions {
  readonly tenant?: string;
  readonly expires?: string;
  readonly model?: readonly string[];
  readonly limit?: readonly string[];
}

/**
 * What `create` is asked for.
 * @param settings those in force: they say which models there are
 * @throws UserError `keys.expiry`, `limits.words`, `credentials.model`, `credentials.tenant`
 */
export function wantedOf({ args, options }: Input, settings: Settings, now: number): NewCredential {
  const { tenant, expires, model, limit = [] } = options as CreateOptions;
  const limits = ownLimits(limit);
  return {
    name: args[0] ?? 'unnamed',
    ...tenantOf(tenant),
    ...(limits ? { limits } : {}),
    ...servedOnly(settings, model),
    ...(expires === undefined ? {} : { expiresAt: parseExpiry(expires, now) }),
  };
}

/** @throws UserError `credentials.model` for a model that is not served */
function servedOnly(settings: Settings, wanted: readonly string[] = []): { models?: readonly string[] } {
  const known = settings.models.map(({ id }) => id);
  const unknown = wanted.find((id) => !known.includes(id));
  if (unknown === undefined) return wanted.length > 0 ? { models: wanted } : {};
  throw usageError(
    'credentials.model',
    say(`No model '${unknown}' is served.`, `没有提供名为“${unknown}”的模型。`),
    say(`Served: ${known.join(', ')}`, `已提供：${known.join('、')}`),
  );
}

/** Tenants appear in logs and metrics as they are. @throws UserError `credentials.tenant` */
function tenantOf(text: string | undefined): { tenant?: string } {
  if (!text) return {};
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) return { tenant: text };
  throw usageError(
    'credentials.tenant',
    say(`'${text}' cannot be the name of a tenant.`, `“${text}”不能用作租户名。`),
    say('Letters, digits, . _ - and at most 64', '字母、数字、. _ -，最多 64 个'),
  );
}

/** The active one of this id or name. @param what 'key', 'client'; @param verb whose list shows them */
export function pick<T extends { readonly id: string; readonly name: string }>(
  active: readonly T[],
  wanted: string,
  what: Text,
  verb: string,
): T {
  const [found, ...more] = active.filter(({ id, name }) => id === wanted || name === wanted);
  if (found && more.length === 0) return found;
  throw usageError(
    `${verb}.unknown`,
    found
      ? say(`Several ${what.en}s are named '${wanted}'.`, `有多个${what.zh}都叫“${wanted}”。`)
      : say(`There is no active ${what.en} '${wanted}'.`, `没有名为“${wanted}”的有效${what.zh}。`),
    say(`See: deepseek-deploy ${verb} list`, `查看：deepseek-deploy ${verb} list`),
  );
}

interface Limited {
  readonly id: string;
  readonly name: string;
  readonly limits?: OwnLimits;
}

/**
 * `keys limit`, `clients limit`.
 * @param change what to do with the one that is chosen; in force when it resolves, where a gateway runs
 */
export const limiting = (
  which: NonNullable<Verb['args']>[number],
  change: (
    world: World,
    wanted: string,
    limited: <T extends Limited>(one: T) => T,
  ) => Promise<{ readonly one: Limited; readonly live: boolean }>,
): Verb => ({
  args: [
    which,
    {
      name: '<limits>',
      says: say(
        'As in rpm=60,tpm=10k: rpm (requests a minute), tpm (tokens a minute), daily (tokens a day), concurrent; or `default`, for those of every key',
        '例如 rpm=60,tpm=10k：rpm（每分钟请求数）、tpm（每分钟 token 数）、daily（每日 token 数）、concurrent（并发数）；default 表示与所有密钥相同',
      ),
    },
  ],
  run: async (input, world) => {
    const [wanted, words] = input.args as [string, string];
    ownLimits([words]);
    const limited = <T extends Limited>(one: T): T => withLimits(one, ownLimits([words], one.limits));
    const { one, live } = await change(world, wanted, limited);
    if (input.json) {
      json(world, { id: one.id, name: one.name, limits: one.limits ?? null, live });
      return undefined;
    }
    const own = one.limits ? limitWords(one.limits) : undefined;
    world.ui.line(
      own === undefined
        ? say(`${one.id} (${one.name}) has the limits of every key.`, `${one.id}（${one.name}）与所有密钥的限额相同。`)
        : say(`${one.id} (${one.name}) is limited to ${own}.`, `${one.id}（${one.name}）的限额为 ${own}。`),
    );
    tellWhen(world, live);
    return undefined;
  },
});

interface View {
  readonly id: string;
  readonly name: string;
  readonly tenant: string;
  readonly state: string;
  readonly limits: OwnLimits | null;
  readonly expiresAt: string | null;
}

const head = [
  say('ID', '编号'),
  say('NAME', '名称'),
  say('TENANT', '租户'),
  say('STATE', '状态'),
  say('LIMITS', '限额'),
  say('EXPIRES', '到期'),
];

/** `keys list`, `clients list`. */
export const listing = (views: (world: World) => Promise<readonly View[]>): Verb => ({
  run: async (input, world) => {
    const found = await views(world);
    if (input.json) {
      json(world, found);
      return undefined;
    }
    const rows = found.map((one) => [
      one.id,
      one.name,
      one.tenant,
      one.state,
      limitWords(one.limits),
      one.expiresAt ?? '-',
    ]);
    for (const line of table([head.map((text) => world.ui.text(text)), ...rows])) world.ui.line(line);
    return undefined;
  },
});
