import { defineConfig } from 'vitest/config';

/** Real hosts (`*.machines.ts`; what is called `*.test.ts` needs none and runs every day): root, systemd-nspawn, debootstrap and the package mirror are needed; one file after another. */
export default defineConfig({
  test: {
    include: ['test/hosts/**/*.machines.ts'],
    testTimeout: 120_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
});
