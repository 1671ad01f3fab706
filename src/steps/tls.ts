import { reachable } from '../address.js';
import { UserError } from '../errors.js';
import { gatewayDirectory } from '../gateway/files.js';
import {
  caFile,
  type Flaw,
  fingerprint,
  flawOf,
  issueCommand,
  reloadCommand,
  renewMs,
  servedCommand,
  tlsDirectory,
} from '../gateway/tls.js';
import type { Action, Step } from '../plan/step.js';
import { say, type Text } from '../say.js';
import type { World } from '../world.js';
import { findNginx } from './nginx.js';
import { type Setup, tlsFilesOf } from './setup.js';

const everywhere = ['0.0.0.0', '::'];

/** What callers may call this machine: what it listens on, or all it has where it listens everywhere. */
async function namesOf(setup: Setup, world: World): Promise<readonly string[]> {
  const { host, tls } = setup.config.gateway;
  const own = await world.host.run({ argv: ['sh', '-c', 'hostname; hostname -I 2>/dev/null; true'] });
  const words = own.stdout.split(/\s+/).filter((word) => /^[A-Za-z0-9][A-Za-z0-9.:-]*$/.test(word));
  const listened = everywhere.includes(host) ? words : [host, ...words.slice(0, 1)];
  return [...new Set(['localhost', '127.0.0.1', '::1', ...listened, ...tls.names])];
}

async function flaw(setup: Setup, world: World): Promise<Flaw | undefined> {
  const { home } = setup.places;
  const files = tlsFilesOf(setup);
  const [certificate = '', key = '', ca = ''] = await Promise.all(
    [files.certificate, files.key, caFile(home)].map((path) => world.files.readIfAny(path)),
  );
  const now = world.clock.now();
  if (setup.config.gateway.tls.mode === 'files') return flawOf({ certificate, key }, now);
  return flawOf({ certificate, key }, now + renewMs, { ca, names: await namesOf(setup, world) });
}

/** Whether callers get another certificate than the one that is there; false where none is served yet. */
async function servesAnother(setup: Setup, world: World): Promise<boolean> {
  const { host, port } = setup.gateway;
  const served = fingerprint((await world.host.run(servedCommand(reachable(host), port))).stdout);
  return served !== undefined && served !== fingerprint(await world.files.readIfAny(tlsFilesOf(setup).certificate));
}

const flaws: Readonly<Record<Flaw, Text>> = {
  unreadable: say('certificate or key cannot be read', '证书或私钥无法读取'),
  key: say('the key does not belong to the certificate', '私钥与证书不匹配'),
  ended: say('the certificate has expired', '证书已过期'),
  early: say('the certificate is not valid yet', '证书尚未生效'),
  issuer: say('another CA issued the certificate', '证书由其他 CA 签发'),
  name: say('the certificate is for another name', '证书的名称不符'),
};

/** @throws UserError for a certificate that was brought along and is of no use */
function refuse(setup: Setup, found: Flaw): void {
  if (setup.config.gateway.tls.mode !== 'files') return;
  const { certificate } = tlsFilesOf(setup);
  throw new UserError(
    'gateway.tls',
    say(`${certificate}: ${flaws[found].en}.`, `${certificate}：${flaws[found].zh}。`),
    { exit: 'unready' },
  );
}

async function needOpenssl(world: World): Promise<void> {
  if ((await world.host.run({ argv: ['openssl', 'version'] })).code === 0) return;
  throw new UserError('gateway.tls', say('The program openssl is not here.', '未找到 openssl 程序。'), {
    hint: say('Install it: sudo apt-get install openssl', '请安装：sudo apt-get install openssl'),
    exit: 'unready',
  });
}

/** nginx lets old workers accept for 100 ms beside the new ones after a reload: one good answer may be followed by an old one. */
const answersInARow = 3;

function isServed(setup: Setup): (world: World) => Promise<true | Text> {
  let good = 0;
  return async (world) => {
    good = (await servesAnother(setup, world)) ? 0 : good + 1;
    return good >= answersInARow ? true : say('the old certificate is still served', '仍在使用旧证书');
  };
}

/** Streams go on over a new certificate: nginx reads it in new workers, and the old ones stay until they are done. */
export const tls: Step<Setup> = {
  id: 'gateway.tls',
  title: say('TLS certificate', 'TLS 证书'),
  needed: (setup) => setup.config.gateway.tls.mode !== 'off',
  async done(setup, world) {
    return (await flaw(setup, world)) === undefined && !(await servesAnother(setup, world));
  },
  async apply(setup, world): Promise<readonly Action[]> {
    const { home } = setup.places;
    const found = await flaw(setup, world);
    if (found) refuse(setup, found);
    await needOpenssl(world);
    const names = await namesOf(setup, world);
    const nginx = await findNginx(world);
    const issue = issueCommand(home, names, setup.name, world.random(30));
    return [
      ...(found
        ? ([
            { kind: 'dir', path: tlsDirectory(home), mode: 0o700 },
            { kind: 'run', command: issue },
          ] as const)
        : []),
      { kind: 'run', command: reloadCommand(gatewayDirectory(home), nginx.usable ? nginx.build : undefined) },
      {
        kind: 'wait',
        what: say('the new certificate', '新证书生效'),
        until: isServed(setup),
        timeoutMs: 15_000,
      },
    ];
  },
};
