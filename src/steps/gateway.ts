import { createHash } from 'node:crypto';
import { UserError } from '../errors.js';
import { getState, putSettings, revisionOf as revisionIn, stateOf } from '../gateway/admin.js';
import { secretsHere, settingsHere } from '../gateway/change.js';
import {
  type GatewayFile,
  type GatewayPlan,
  gatewayDirectory,
  gatewayFiles,
  gatewayFolders,
  madeFile,
  readLua,
  settingsAsFile,
  testCommand,
} from '../gateway/files.js';
import type { Secrets, Settings } from '../gateway/settings.js';
import { reloadCommand } from '../gateway/tls.js';
import { type Action, NotYet, type Step } from '../plan/step.js';
import { say, type Text } from '../say.js';
import type { Result, World } from '../world.js';
import { findNginx } from './nginx.js';
import { configured, serves, withConfigured } from './settings.js';
import { type Setup, tlsFilesOf } from './setup.js';

/**
 * The CA of Redis, copied: workers read it too, and they may be nobody, who cannot enter a home. The folder that nginx
 * was started in they can.
 */
const redisCa = 'redis-ca.crt';

async function caFiles({ config, places }: Setup, world: World): Promise<readonly GatewayFile[]> {
  const { enabled, ca } = config.gateway.redis.tls;
  if (!enabled || ca === undefined) return [];
  return [{ path: `${gatewayDirectory(places.home)}/${redisCa}`, mode: 0o644, content: await world.files.read(ca) }];
}

/** Where Debian and Red Hat keep the CAs that the system trusts; nginx's master reads them. */
const systemCas = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

async function cloudCa(given: string | undefined, world: World): Promise<string> {
  for (const path of given === undefined ? systemCas : [given]) if (await world.files.stat(path)) return path;
  throw new UserError('cloud.ca', say('This system has no CA certificates.', '本系统没有 CA 证书。'), {
    hint: say(
      'Install the package ca-certificates, or name a file: gateway.cloud.ca',
      '请安装 ca-certificates 软件包，或指定文件：gateway.cloud.ca',
    ),
    exit: 'unready',
  });
}

/** @throws NotYet until nginx is installed */
export async function gatewayPlan(setup: Setup, world: World): Promise<GatewayPlan> {
  const found = await findNginx(world);
  if (!found.usable) throw new NotYet('nginx.install');
  const { host, port, adminPort } = setup.gateway;
  const { tls, maxBodyBytes, engineSilence, cache, redis, cloud } = setup.config.gateway;
  const directory = gatewayDirectory(setup.places.home);
  const root = world.processes.uid === 0;
  return {
    directory,
    build: found.build,
    listen: { host, port },
    admin: { host: '127.0.0.1', port: adminPort },
    ...(tls.mode !== 'off' ? { tls: tlsFilesOf(setup) } : {}),
    workers: 1,
    maxBody: maxBodyBytes,
    engineSilence: Math.ceil(engineSilence / 1000),
    cacheMiB: cache.enabled ? Math.ceil(cache.memory / 2 ** 20) : 1,
    ...(cloud.baseUrl === undefined ? {} : { cloudCa: await cloudCa(cloud.ca, world) }),
    ...(redis.tls.enabled ? { trustedCa: `${root ? '/proc/self/cwd' : directory}/${redisCa}` } : {}),
    ...(root ? { workerUser: found.workerUser } : {}),
  };
}

/** Of all that nginx's master reads when it starts. The signing keys change by themselves, without it. */
function madeOf(files: readonly GatewayFile[], secrets: Secrets | undefined): string {
  const { tokenKeys: _, ...read } = secrets ?? ({} as Secrets);
  const hash = createHash('sha256').update(JSON.stringify(read));
  for (const { path, content } of files) hash.update(`\0${path}\0${content}`);
  return hash.digest('hex').slice(0, 16);
}

interface Wanted {
  readonly made: string;
  /** What a new configuration or a new version of us replaces; the word for all of it comes last. */
  readonly files: readonly GatewayFile[];
}

async function wantedFiles(setup: Setup, world: World): Promise<Wanted> {
  const ours = gatewayFiles(await gatewayPlan(setup, world), await readLua(world));
  const files = [...ours, ...(await caFiles(setup, world))];
  const made = madeOf(files, await secretsHere(world));
  return { made, files: [...files, madeFile(gatewayDirectory(setup.places.home), made)] };
}

const differs = async (file: GatewayFile, world: World): Promise<boolean> =>
  (await world.files.readIfAny(file.path)) !== file.content;

/** What the running gateway goes by; undefined where none answers. */
async function running(setup: Setup, world: World) {
  const { adminKey } = (await secretsHere(world)) ?? { adminKey: '' };
  const admin = { host: '127.0.0.1', port: setup.gateway.adminPort, key: adminKey };
  const answer = await world.http.request(getState(admin)).catch(() => undefined);
  if (!answer) return undefined;
  const state = await stateOf(answer).catch(() => undefined);
  return { admin, made: state?.made, revision: state?.revision ?? -1 };
}

const old = say('the gateway still goes by what was before', '网关仍在使用之前的配置');

/** nginx lets old workers accept for 100 ms beside the new ones: one good answer may be followed by an old one. */
const answersInARow = 3;

/** Until the running gateway has read its files again and goes by these settings. @throws UserError where it refuses them */
function inForce(setup: Setup, made: string): (world: World) => Promise<true | Text> {
  let good = 0;
  return async (world) => {
    const now = await running(setup, world);
    if (!now) return true;
    if (now.made !== made) {
      good = 0;
      return old;
    }
    good += 1;
    if (good < answersInARow) return old;
    const settings = await settingsHere(world);
    if (!settings || now.revision >= settings.revision) return true;
    const put = await world.http.request(putSettings(now.admin, settings));
    if (put.status === 409) await put.text();
    else await revisionIn(put).catch((cause: Error) => refuse(cause));
    return old;
  };
}

function refuse(cause: Error): never {
  throw new UserError('gateway.settings', say(cause.message, `网关拒绝了设置：${cause.message}`), {
    hint: say('See what it wrote: deepseek-deploy logs gateway', '查看日志：deepseek-deploy logs gateway'),
    cause,
  });
}

function refusedByNginx({ stderr }: Result): UserError {
  const why = /\[emerg\] (?:\d+#\d+: )?(.*)/.exec(stderr)?.[1] ?? stderr.trim().slice(-300);
  return new UserError('gateway.nginx', say(`nginx refuses its configuration: ${why}`, `nginx 拒绝了配置：${why}`));
}

async function isInForce(setup: Setup, made: string, settings: Settings, world: World): Promise<boolean> {
  const now = await running(setup, world);
  return now === undefined || (now.made === made && now.revision >= settings.revision);
}

/** nginx.conf, the Lua and the routing table; a gateway that runs takes them up with its streams going on. */
export const gateway: Step<Setup> = {
  id: 'gateway.configure',
  title: say('Gateway configuration', '网关配置'),
  async done(setup, world) {
    const settings = await settingsHere(world);
    if (!settings || !(await findNginx(world)).usable) return false;
    if (!serves(settings, await configured(setup, world))) return false;
    const { files, made } = await wantedFiles(setup, world);
    const other = (await Promise.all(files.map((file) => differs(file, world)))).includes(true);
    return !other && (await isInForce(setup, made, settings, world));
  },
  async apply(setup, world) {
    const directory = gatewayDirectory(setup.places.home);
    const settings = await settingsHere(world);
    const wanted = await configured(setup, world);
    const plan = await gatewayPlan(setup, world);
    const folders = gatewayFolders(plan);
    const { files, made } = await wantedFiles(setup, world);
    const now = await running(setup, world);
    const what = say('the gateway to go by it', '网关采用新配置');
    return [
      ...folders.map((folder): Action => ({ kind: 'dir', ...folder })),
      ...files.map((file): Action => ({ kind: 'write', ...file })),
      // Without any settings yet, the step before this one writes them, models included.
      ...(settings === undefined || serves(settings, wanted)
        ? []
        : [{ kind: 'write', ...settingsAsFile(directory, withConfigured(settings, wanted)) } as const]),
      { kind: 'run', command: { ...testCommand(plan), cwd: directory }, failed: refusedByNginx },
      ...(now === undefined || now.made === made
        ? []
        : [{ kind: 'run', command: reloadCommand(directory, plan.build) } as const]),
      ...(now === undefined ? [] : [{ kind: 'wait', what, until: inForce(setup, made), timeoutMs: 20_000 } as const]),
    ];
  },
};
