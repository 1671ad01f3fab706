import { defineConfig } from 'vitest/config';

/** Rooms whose tests start nginx, Redis, the engine or the supervisor and hold them to milliseconds. */
const real = ['gateway', 'supervisor', 'embedded', 'journey'].map((room) => `test/${room}/**/*.test.ts`);

/** Redis stopped, killed, resharded: `npm run test:redis`, a process and a cluster of its own each time. */
const redis = ['redis-cluster', 'redis-faults', 'cache-faults', 'limits-faults'].map(
  (name) => `test/gateway/${name}.test.ts`,
);

/** Engines, workers, disks, clocks, names and settings that change or fail, for as long as it takes: `npm run test:faults`. */
const faults = [
  'across',
  'again',
  'audit',
  'audit-full',
  'audit-kills',
  'audit-memory',
  'breaker',
  'breaker-cache',
  'cache-flight',
  'cache-kept',
  'closing',
  'cloud',
  'comments',
  'engines',
  'faults',
  'fuzz',
  'grpc-engines',
  'in-hand-full',
  'names',
  'slow-callers',
  'versions',
].map((name) => `test/gateway/${name}.test.ts`);
faults.push('test/journey/wiring.test.ts');

const shared = { testTimeout: 30_000, hookTimeout: 60_000 };

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    projects: [
      {
        test: {
          name: 'decisions',
          include: ['test/**/*.test.ts'],
          exclude: [...real, 'test/kube/**'],
          maxWorkers: 2,
          ...shared,
        },
      },
      {
        test: {
          name: 'real',
          include: real,
          exclude: [...redis, ...faults],
          ...shared,
          // One file after another, and after the rest: what one takes of two cores another would miss.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          // A shared machine stands still for seconds now and then; what is broken fails twice.
          retry: 1,
        },
      },
      {
        test: {
          name: 'faults',
          include: faults,
          ...shared,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          retry: 1,
        },
      },
      {
        test: { name: 'redis', include: redis, ...shared, fileParallelism: false, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
