/**
 * What the gateway costs beside bare nginx `proxy_pass`. `npm run bench:gateway [-- [--quick] [section ...]]`.
 *
 * One worker on core 0; on core 1 the load generator (wrk) and an engine that answers canned JSON. All servers of a table
 * run at once and are asked in turn, for some rounds; the medians of the rounds are told, and of the ratios round by
 * round. On a shared machine believe the CPU time a request and the ratios, not the rates.
 */
import { build } from '../gateway/builds.js';
import { answer } from './gateway-bodies.js';
import { type Setting, sections } from './gateway-sections.js';
import { bare, pinned, type Server } from './gateway-servers.js';

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const quick = words.includes('--quick');
  const wanted = words.filter((word) => word !== '--quick');
  const unknown = wanted.find((word) => !(word in sections));
  if (unknown) throw new Error(`no section ${unknown}; there are ${Object.keys(sections).join(', ')}`);
  const nginx = pinned(0, await build('current'));
  console.log(`nginx ${nginx.version.join('.')}, one worker`);
  const engine = await bare('engine', pinned(1, await build('debian')), `return 200 '${answer}';`);
  try {
    for (const [name, section] of Object.entries(sections)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      const started: Server[] = [];
      const setting: Setting = {
        nginx,
        quick,
        engine: Number(new URL(engine.url).port),
        load: { bodies: [], connections: 32, seconds: 1, rounds: quick ? 3 : 7 },
        async use(server) {
          started.push(await server);
          return server;
        },
      };
      try {
        await section(setting);
      } finally {
        for (const server of started) await server.stop();
      }
    }
  } finally {
    await engine.stop();
  }
}

await main();
