import { afterEach, describe, expect, it } from 'vitest';
import { smokeChecks } from '../../src/checks/smoke.js';
import { type Endpoint, endpoint } from '../checks/endpoint.js';
import { type RunningEngine, startEngine } from '../embedded/start.js';
import { fakeWorld } from '../world/fake.js';
import { deployed, type } from './typed.js';

let server: Endpoint | undefined;
let engine: RunningEngine | undefined;
afterEach(async () => {
  await server?.close();
  await engine?.stop();
  server = undefined;
  engine = undefined;
});

const enginePort = ({ url }: { url: string }): number => Number(new URL(url).port);

describe('smoke', () => {
  it('looks at the deployment here, a line a check', async () => {
    server = await endpoint();
    const world = fakeWorld();
    await deployed(world, server.url, 'sk-good', enginePort(server));
    const { code, shown, errors, out } = await type('smoke', world);
    expect([code, errors, out]).toEqual([0, '', '']);
    expect(shown[0]).toBe(`m ${server.url}`);
    expect(shown.filter((line) => line.startsWith('  ✓ '))).toHaveLength(smokeChecks.length);
    expect(shown.at(-1)).toBe(`  ${smokeChecks.length} passed`);
  });

  it('finds what is broken, and exits 1', async () => {
    server = await endpoint({ buffered: true, unknownModel: 400 });
    const { code, shown } = await type(`smoke --url ${server.url} --key-file /k --only stream,error`, await withKey());
    expect(code).toBe(1);
    expect(shown.filter((line) => /^ {2}[✗!]/.test(line))).toEqual([
      expect.stringMatching(/^ {2}! An unknown model: 404 /),
      expect.stringMatching(/^ {2}✗ Tokens come as they are made /),
    ]);
    expect(shown.at(-1)).toBe('  5 passed, 1 failed, 1 to look at');
  });

  it('in JSON: one document, no line for people', async () => {
    server = await endpoint({ badJson: 500 });
    const { code, shown, out } = await type(`smoke --url ${server.url} --key-file /k --json`, await withKey());
    expect([code, shown]).toEqual([1, []]);
    const report = JSON.parse(out);
    expect(report).toMatchObject({
      endpoint: server.url,
      model: 'm',
      passed: false,
      counts: { failed: 1, skipped: 1 },
    });
    expect(report.checks.find(({ id }: { id: string }) => id === 'error.json')).toMatchObject({
      ...{ state: 'failed', says: 'answered 500: status 500', title: 'A body that is no JSON: 400' },
    });
  });

  it('warnings alone pass', async () => {
    server = await endpoint({ unknownModel: 400 });
    const { code } = await type(`smoke --url ${server.url} --key-file /k --only error.model`, await withKey());
    expect(code).toBe(0);
  });

  it('an unknown check is a usage error, with the list', async () => {
    server = await endpoint();
    const { code, errors } = await type(`smoke --url ${server.url} --only nope`, fakeWorld());
    expect(code).toBe(2);
    expect(errors).toContain('There is no check called nope.');
    expect(errors).toContain('reach.health');
  });
});

async function withKey() {
  const world = fakeWorld();
  await world.files.makeDir('/');
  await world.files.write('/k', 'sk-good');
  return world;
}

describe('the real engine', () => {
  it('passes, the demo model and all, and can be measured', async () => {
    engine = await startEngine({ key: 'sk-engine', contextSize: 4096 });
    const world = fakeWorld();
    await deployed(world, `${engine.url}/v1`, 'sk-engine', engine.port);
    const smoke = await type('smoke --model demo --json', world);
    const report = JSON.parse(smoke.out);
    const wrong = report.checks.filter(({ state }: { state: string }) => state === 'failed' || state === 'warned');
    expect(wrong).toEqual([]);
    expect(report.counts.ok).toBeGreaterThanOrEqual(smokeChecks.length - 2);
    expect(smoke.code).toBe(0);

    const bench = await type('bench --model demo -c 2 -n 6 --max-tokens 16 --prompt-tokens 32 --json', world);
    expect(bench.code).toBe(0);
    const measured = JSON.parse(bench.out);
    expect(measured.requests).toMatchObject({ good: 6, failed: 0 });
    expect(measured.metrics.outputTokens.max).toBeLessThanOrEqual(16);
    expect(measured.metrics.ttft.n).toBe(6);
  });
});
