import { UserError } from '../errors.js';
import { changeSettings, storedSecrets, storedSettings } from '../gateway/change.js';
import { clientState, clientView, makeClient, rotateClient, withClient, withoutClient } from '../gateway/clients.js';
import { parseExpiry } from '../gateway/keys.js';
import { type Client, oauthOptions, rotateTokenKeys } from '../gateway/oauth.js';
import type { Settings } from '../gateway/settings.js';
import { changeTokenKeys } from '../gateway/signing.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import { table } from '../table.js';
import { type Deployment, needDeployment } from '../targets/deployment.js';
import type { Input, Option, Verb } from '../verb.js';
import type { World } from '../world.js';

const nowOf = (world: World): number => Math.floor(world.clock.now() / 1000);

const json = (world: World, value: unknown): void => world.ui.out(`${JSON.stringify(value, null, 2)}\n`);

/** A gateway that is down reads the change when it starts. */
function tellWhen(world: World, live: boolean): void {
  if (live) return;
  world.ui.line(say('The gateway is not running; it will know when it starts.', '网关没有运行，启动后会生效。'));
}

const usage = (id: string, en: string, zh: string, hint: ReturnType<typeof say>): UserError =>
  new UserError(id, say(en, zh), { hint, exit: 'usage' });

function models(settings: Settings, wanted: readonly string[] | undefined): readonly string[] | undefined {
  const known = settings.models.map(({ id }) => id);
  const unknown = wanted?.find((id) => !known.includes(id));
  if (unknown === undefined) return wanted;
  const hint = say(`Served: ${known.join(', ')}`, `已提供：${known.join('、')}`);
  throw usage('clients.model', `No model '${unknown}' is served.`, `没有提供名为“${unknown}”的模型。`, hint);
}

/** Tenants appear in logs and metrics as they are. */
function tenantOf(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) return text;
  const hint = say('Letters, digits, . _ - and at most 64', '字母、数字、. _ -，最多 64 个');
  throw usage('clients.tenant', `'${text}' cannot be the name of a tenant.`, `“${text}”不能用作租户名。`, hint);
}

interface Made {
  readonly client: Client;
  readonly secret: string;
  readonly live: boolean;
}

/** Keeps the client, and makes a signing key where there is none yet: without one its secret would be of no use. */
async function keep(world: World, { name, gateway }: Deployment, client: Client, now: number): Promise<boolean> {
  if (!(await storedSecrets(world)).tokenKeys) {
    await changeTokenKeys(world, gateway.adminPort, () => rotateTokenKeys(undefined, world.random(38), now, 0));
  }
  return (await changeSettings(world, gateway.adminPort, (before) => withClient(before, client, name))).live;
}

function show(world: World, input: Input, { client, secret, live }: Made, now: number): void {
  if (input.json) {
    json(world, { ...clientView(client, now), secret, live });
    return;
  }
  world.ui.out(`client_id=${client.id}\nclient_secret=${secret}\n`);
  world.ui.line(say('Shown this once; only its hash is kept.', '只显示这一次，系统只保存它的哈希值。'));
  tellWhen(world, live);
}

const create: Verb = {
  args: [{ name: '[name]', says: say('What the client is', '客户端的用途') }],
  options: [
    { flags: '--tenant <tenant>', says: say('Whose it is', '所属租户'), initial: 'default' },
    { flags: '--model <model>', says: say('Only for this model; may be repeated', '仅限此模型；可重复'), kind: 'list' },
    { flags: '--expires <when>', says: say('12h, 90d, or a date; never by default', '12h、90d 或日期；默认永不过期') },
  ],
  examples: [{ line: 'clients create billing --tenant shop', says: say('A program of a tenant', '某个租户的程序') }],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const { tenant, expires } = input.options as { tenant?: string; expires?: string };
    const expiresAt = expires === undefined ? undefined : parseExpiry(expires, now);
    const made = await locked(world, 'clients create', async (): Promise<Made> => {
      const only = models(await storedSettings(world), input.options.model as readonly string[] | undefined);
      const wanted = {
        name: input.args[0] ?? 'unnamed',
        ...(tenant ? { tenant: tenantOf(tenant) } : {}),
        ...(only?.length ? { models: only } : {}),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      const { pepper } = await storedSecrets(world);
      const { secret, client } = makeClient(world.random(38), pepper, wanted, now);
      return { secret, client, live: await keep(world, deployment, client, now) };
    });
    show(world, input, made, now);
    return undefined;
  },
};

function chosen({ clients = [] }: Settings, wanted: string, now: number): Client {
  const active = clients.filter((client) => clientState(client, now) !== 'revoked');
  const [found, ...more] = active.filter(({ id, name }) => id === wanted || name === wanted);
  if (found && more.length === 0) return found;
  const hint = say('See: deepseek-deploy clients list', '查看：deepseek-deploy clients list');
  throw found
    ? usage('clients.unknown', `Several clients are named '${wanted}'.`, `有多个客户端都叫“${wanted}”。`, hint)
    : usage('clients.unknown', `There is no active client '${wanted}'.`, `没有名为“${wanted}”的有效客户端。`, hint);
}

const which = { name: '<client>', says: say('Its id, or its name', '客户端编号或名称') };

const keepOption = (says: ReturnType<typeof say>, initial: string): Option => ({
  flags: '--keep <time>',
  says,
  initial,
});

/** Seconds the old one is kept. */
function keptFor(input: Input, initialS: number, now: number): number {
  const { now: atOnce, keep: time } = input.options as { now?: boolean; keep?: string };
  if (atOnce) return 0;
  return time === undefined ? initialS : parseExpiry(time, now) - now;
}

const rotate: Verb = {
  args: [which],
  options: [
    keepOption(say('How long the old secret is still taken', '旧密钥继续有效的时间'), '24h'),
    { flags: '--now', says: say('End the old secret and its tokens at once', '旧密钥及其令牌立即失效') },
  ],
  examples: [{ line: 'clients rotate billing --now', says: say('After a leak', '泄露之后') }],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const keepS = keptFor(input, 24 * 3600, now);
    const made = await locked(world, 'clients rotate', async (): Promise<Made> => {
      const before = chosen(await storedSettings(world), input.args[0]!, now);
      const { pepper } = await storedSecrets(world);
      const { secret, client } = rotateClient(before, world.random(32), pepper, now, keepS);
      return { secret, client, live: await keep(world, deployment, client, now) };
    });
    show(world, input, made, now);
    return undefined;
  },
};

const list: Verb = {
  run: async (input, world) => {
    await needDeployment(world);
    const now = nowOf(world);
    const views = ((await storedSettings(world)).clients ?? []).map((client) => clientView(client, now));
    if (input.json) {
      json(world, views);
      return undefined;
    }
    const head = [
      say('ID', '编号'),
      say('NAME', '名称'),
      say('TENANT', '租户'),
      say('STATE', '状态'),
      say('EXPIRES', '到期'),
    ];
    const rows = views.map((one) => [one.id, one.name, one.tenant, one.state, one.expiresAt ?? '-']);
    for (const line of table([head.map((text) => world.ui.text(text)), ...rows])) world.ui.line(line);
    return undefined;
  },
};

const revoke: Verb = {
  args: [which],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const { client, live } = await locked(world, 'clients revoke', async () => {
      const found = chosen(await storedSettings(world), input.args[0]!, now);
      const change = (before: Settings) => withoutClient(before, found.id, now);
      return { client: found, ...(await changeSettings(world, deployment.gateway.adminPort, change)) };
    });
    if (input.json) json(world, { ...clientView({ ...client, revokedAt: now }, now), live });
    else {
      const { id, name } = client;
      world.ui.line(say(`${id} (${name}) and its tokens are revoked.`, `${id}（${name}）及其令牌已吊销。`));
      tellWhen(world, live);
    }
    return undefined;
  },
};

const rotateSigningKey: Verb = {
  options: [
    keepOption(say('How long tokens of the old key still hold', '旧密钥签发的令牌继续有效的时间'), '24h'),
    { flags: '--now', says: say('End all tokens that were issued so far', '此前签发的全部令牌立即失效') },
  ],
  run: async (input, world) => {
    const { name, gateway } = await needDeployment(world);
    const now = nowOf(world);
    const { keys, live } = await locked(world, 'clients rotate-signing-key', async () => {
      const { ttlS, leewayS } = (await storedSettings(world)).oauth ?? oauthOptions(name);
      const keepS = keptFor(input, ttlS + leewayS, now);
      return changeTokenKeys(world, gateway.adminPort, (before) =>
        rotateTokenKeys(before, world.random(38), now, keepS),
      );
    });
    const { kid } = keys.current;
    if (input.json) json(world, { kid, previous: keys.previous?.kid ?? null, live });
    else {
      world.ui.line(say(`Tokens are signed with key ${kid} from now on.`, `从现在起使用签名密钥 ${kid} 签发令牌。`));
      tellWhen(world, live);
    }
    return undefined;
  },
};

export const verb: Verb = {
  verbs: [
    { name: 'create', says: say('Make an OAuth2 client', '创建 OAuth2 客户端'), verb: create },
    { name: 'list', says: say('Show the clients', '列出客户端'), verb: list },
    { name: 'rotate', says: say('Give a client another secret', '更换客户端的密钥'), verb: rotate },
    { name: 'revoke', says: say('Refuse a client and its tokens from now on', '吊销客户端及其令牌'), verb: revoke },
    {
      name: 'rotate-signing-key',
      says: say('Sign tokens with another key', '更换令牌的签名密钥'),
      verb: rotateSigningKey,
    },
  ],
};
