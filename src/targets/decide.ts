/** From what is wanted, what was found and what stood before, to what shall be so. */
import type { Config } from '../config/config.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { ModelSource, Setup } from '../steps/setup.js';
import type { World } from '../world.js';
import type { Deployment, EngineAddress, RememberedWish } from './deployment.js';

export interface Wish {
  readonly config: Config;
  /** Whether the file or a flag names the port: then no other will do. */
  readonly portGiven: boolean;
  /** Whether a model was named at all. */
  readonly modelGiven: boolean;
  readonly remembered: RememberedWish;
}

const ports = 100;

/** The port of before, the wanted one, or the next that is free when nobody insists. Undefined: the wanted one is taken. */
async function gatewayPort(wish: Wish, before: Deployment | undefined, world: World): Promise<number | undefined> {
  const { host, port } = wish.config.gateway;
  const same = before?.gateway.host === host;
  if (same && (!wish.portGiven || before.gateway.port === port)) return before.gateway.port;
  if (wish.portGiven) return (await world.processes.portFree(host, port)) ? port : undefined;
  for (let at = port; at < Math.min(port + ports, 65_536); at += 1) {
    if (await world.processes.portFree(host, at)) return at;
  }
  return undefined;
}

export const portTaken = (port: number): UserError =>
  new UserError('port.taken', say(`Port ${port} is in use by another program.`, `端口 ${port} 已被其他程序占用。`), {
    hint: say(
      'See by which: deepseek-deploy probe. Or take another: deepseek-deploy init --port <number>',
      '查看占用者：deepseek-deploy probe；或改用其他端口：deepseek-deploy init --port <端口>',
    ),
    exit: 'unready',
  });

/** The inner ports of before; a new one where there was none. */
async function engineAddress(wish: Wish, before: Deployment | undefined, world: World): Promise<EngineAddress> {
  const free = () => world.processes.freePort();
  const { host, port } = before?.engine ?? { host: '127.0.0.1', port: await free() };
  if (wish.config.engine.protocol === 'http') return { host, port };
  return { host, port, grpcPort: before?.engine.grpcPort ?? (await free()) };
}

export interface Chosen {
  readonly id: string;
  /** Absolute. */
  readonly file: string;
  readonly source: ModelSource;
}

/** @throws UserError `port.taken` */
export async function decide(wish: Wish, model: Chosen, before: Deployment | undefined, world: World): Promise<Setup> {
  const port = await gatewayPort(wish, before, world);
  if (port === undefined) throw portTaken(wish.config.gateway.port);
  return {
    name: wish.config.name,
    places: world.places,
    config: wish.config,
    wish: wish.remembered,
    model,
    engine: await engineAddress(wish, before, world),
    gateway: {
      host: wish.config.gateway.host,
      port,
      adminPort: before?.gateway.adminPort ?? (await world.processes.freePort()),
    },
  };
}
