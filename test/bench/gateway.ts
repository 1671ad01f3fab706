/**
 * What the gateway costs beside bare nginx `proxy_pass`. `npm run bench:gateway`.
 *
 * One worker on core 0; on core 1 the load generator (wrk) and an engine that answers canned JSON. All servers of a table
 * run at once and are asked in turn, for some rounds; the medians of the rounds are told. On a shared machine believe
 * the CPU time a request and the ratios, not the rates.
 */
import { type BuildName, build } from '../gateway/builds.js';
import { answer, prompts } from './gateway-bodies.js';
import { compare, type Load } from './gateway-load.js';
import { added, bare, everything, gateway, on, proxied, type Server, settingsUpTo, upTo } from './gateway-servers.js';

const steps = (process.env.BENCH_STEPS ?? '').split(',').filter(Boolean);
const load: Load = {
  bodies: [],
  connections: 32,
  seconds: Number(process.env.BENCH_SECONDS ?? 1),
  rounds: Number(process.env.BENCH_ROUNDS ?? 3),
};
async function main(): Promise<void> {
  const builds = (process.env.BENCH_BUILDS ?? 'current').split(',') as BuildName[];
  const servers: Server[] = [];
  try {
    const engine = await bare('engine', on(1, await build('debian')), `return 200 '${answer}';`);
    servers.push(engine);
    const port = Number(new URL(engine.url).port);
    for (const name of builds) {
      const nginx = on(0, await build(name));
      const one = [await proxied('bare proxy_pass', nginx, port)];
      for (const step of steps.includes('all') ? await added() : steps)
        one.push(
          await gateway(`+ ${step}`, await settingsUpTo(everything(port), step), { nginx, lua: await upTo(step) }),
        );
      if (!steps.length) one.push(await gateway('gateway, all policies', everything(port), { nginx }));
      servers.push(...one);
      const title = `nginx ${nginx.version.join('.')}`;
      await compare(`${title}, 768 B`, one, { ...load, bodies: prompts(16, 640) });
      if (!steps.length) await compare(`${title}, 32 KiB`, one, { ...load, bodies: prompts(16, 32768) });
    }
  } finally {
    for (const server of servers) await server.stop();
  }
}

await main();
