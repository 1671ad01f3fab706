/** What is taken away after a bundle, by the very shell script, below another root. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { forgetScript } from '../../src/steps/bundle.js';

it('of the lists of apt and dnf only those of the bundle go', () => {
  const root = mkdtempSync(`${tmpdir()}/dd-lists-`);
  try {
    const lists = ['deb.debian.org_debian_InRelease', '_var_lib_deepseek-deploy_bundle_packages_Packages'];
    const caches = ['baseos-1a2b', 'deepseek-deploy-bundle-1a2b', 'deepseek-deploy-docker-1a2b'];
    for (const [folder, names] of [['lib/apt/lists', lists] as const, ['cache/dnf', caches] as const]) {
      mkdirSync(`${root}/var/${folder}`, { recursive: true });
      for (const name of names) writeFileSync(`${root}/var/${folder}/${name}`, '');
    }
    execFileSync('sh', ['-c', forgetScript.replaceAll('/var/', `${root}/var/`)]);
    expect(readdirSync(`${root}/var/lib/apt/lists`)).toEqual([lists[0]]);
    expect(readdirSync(`${root}/var/cache/dnf`).sort()).toEqual([caches[0], caches[2]]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
