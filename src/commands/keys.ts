import { UserError } from '../errors.js';
import { changeSettings, storedSecrets, storedSettings } from '../gateway/change.js';
import { keyState, keyView, makeKey, parseExpiry } from '../gateway/keys.js';
import { type Key, type Settings, withKey, withoutKey } from '../gateway/settings.js';
import { locked } from '../plan/lock.js';
import { say } from '../say.js';
import { table } from '../table.js';
import { needDeployment } from '../targets/deployment.js';
import type { Input, Verb } from '../verb.js';
import type { World } from '../world.js';

const nowOf = (world: World): number => Math.floor(world.clock.now() / 1000);

const json = (world: World, value: unknown): void => world.ui.out(`${JSON.stringify(value, null, 2)}\n`);

/** A gateway that is down reads the change when it starts. */
function tellWhen(world: World, live: boolean): void {
  if (live) return;
  world.ui.line(say('The gateway is not running; it will know when it starts.', '网关没有运行，启动后会生效。'));
}

function models(settings: Settings, wanted: readonly string[] | undefined): readonly string[] | undefined {
  const known = settings.models.map(({ id }) => id);
  const unknown = wanted?.find((id) => !known.includes(id));
  if (unknown === undefined) return wanted;
  throw new UserError('keys.model', say(`No model '${unknown}' is served.`, `没有提供名为“${unknown}”的模型。`), {
    hint: say(`Served: ${known.join(', ')}`, `已提供：${known.join('、')}`),
    exit: 'usage',
  });
}

const create: Verb = {
  args: [{ name: '[name]', says: say('What the key is for', '密钥的用途') }],
  options: [
    { flags: '--tenant <tenant>', says: say('Whose it is', '所属租户'), initial: 'default' },
    { flags: '--model <model>', says: say('Only for this model; may be repeated', '仅限此模型；可重复'), kind: 'list' },
    { flags: '--expires <when>', says: say('12h, 90d, or a date; never by default', '12h、90d 或日期；默认永不过期') },
  ],
  examples: [{ line: 'keys create ci --expires 90d', says: say('A key that ends by itself', '一个会自动到期的密钥') }],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const { tenant, expires } = input.options as { tenant?: string; expires?: string };
    const expiresAt = expires === undefined ? undefined : parseExpiry(expires, now);
    const { pepper } = await storedSecrets(world);
    const made = await locked(world, 'keys create', async () => {
      const only = models(await storedSettings(world), input.options.model as readonly string[] | undefined);
      const wanted = {
        name: input.args[0] ?? 'unnamed',
        ...(tenant ? { tenant: word('tenant', tenant) } : {}),
        ...(only?.length ? { models: only } : {}),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      const { secret, key } = makeKey(world.random(38), pepper, wanted, now);
      const { live } = await changeSettings(world, deployment.gateway.adminPort, (before) => withKey(before, key));
      return { secret, key, live };
    });
    show(world, input, made, now);
    return undefined;
  },
};

/** Tenants appear in logs and metrics as they are. */
function word(what: string, text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) return text;
  throw new UserError('keys.word', say(`'${text}' cannot be the name of a ${what}.`, `“${text}”不能用作租户名。`), {
    hint: say('Letters, digits, . _ - and at most 64', '字母、数字、. _ -,最多 64 个'),
    exit: 'usage',
  });
}

function show(world: World, input: Input, made: { secret: string; key: Key; live: boolean }, now: number): void {
  if (input.json) {
    json(world, { ...keyView(made.key, now), secret: made.secret, live: made.live });
    return;
  }
  world.ui.out(`${made.secret}\n`);
  world.ui.line(
    say(
      `${made.key.id}: shown this once; only its hash is kept.`,
      `${made.key.id}:只显示这一次，系统只保存它的哈希值。`,
    ),
  );
  tellWhen(world, made.live);
}

const list: Verb = {
  run: async (input, world) => {
    await needDeployment(world);
    const now = nowOf(world);
    const views = (await storedSettings(world)).keys.map((key) => keyView(key, now));
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

function chosen(settings: Settings, wanted: string, now: number): Key {
  const active = settings.keys.filter((key) => keyState(key, now) !== 'revoked');
  const named = active.filter(({ id, name }) => id === wanted || name === wanted);
  if (named.length === 1) return named[0]!;
  throw new UserError(
    'keys.unknown',
    named.length === 0
      ? say(`There is no active key '${wanted}'.`, `没有名为“${wanted}”的有效密钥。`)
      : say(`Several keys are named '${wanted}'.`, `有多个密钥都叫“${wanted}”。`),
    { hint: say('See: deepseek-deploy keys list', '查看：deepseek-deploy keys list'), exit: 'usage' },
  );
}

const revoke: Verb = {
  args: [{ name: '<key>', says: say('Its id, or its name', '密钥编号或名称') }],
  run: async (input, world) => {
    const deployment = await needDeployment(world);
    const now = nowOf(world);
    const { key, live } = await locked(world, 'keys revoke', async () => {
      const found = chosen(await storedSettings(world), input.args[0]!, now);
      const change = (before: Settings) => withoutKey(before, found.id, now);
      return { key: found, ...(await changeSettings(world, deployment.gateway.adminPort, change)) };
    });
    if (input.json) json(world, { ...keyView({ ...key, revokedAt: now }, now), live });
    else {
      world.ui.line(say(`${key.id} (${key.name}) is revoked.`, `${key.id}(${key.name})已吊销。`));
      tellWhen(world, live);
    }
    return undefined;
  },
};

export const verb: Verb = {
  verbs: [
    { name: 'create', says: say('Make an API key', '创建 API 密钥'), verb: create },
    { name: 'list', says: say('Show the keys', '列出密钥'), verb: list },
    { name: 'revoke', says: say('Refuse a key from now on', '吊销密钥'), verb: revoke },
  ],
};
