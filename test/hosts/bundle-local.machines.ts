/** nginx with its Lua module from a bundle for one machine, on a bare host without a network. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packagesHere } from '../../src/bundle/here.js';
import { type Bundle, openBundle } from '../../src/bundle/open.js';
import { worldOf } from '../../src/fleet/open.js';
import { nginxFromFiles } from '../../src/gateway/install.js';
import { localFiles } from '../../src/hosts/files.js';
import { openSsh, type Ssh, type SshHost } from '../../src/hosts/ssh.js';
import { perform } from '../../src/plan/perform.js';
import { findNginx } from '../../src/steps/nginx.js';
import type { World } from '../../src/world.js';
import { sh } from '../hosts-contract/contract.js';
import { fakeWorld } from '../world/fake.js';
import { cli } from './cli.js';
import { type Machines, machines } from './machines.js';

const bundleFolder = '/var/lib/own place/bundle';
// $1: what may be reached.
const cutOff = `iptables -I OUTPUT 1 -o host0 ! -d "$1" -j REJECT
! timeout 5 curl -fsS -o /dev/null http://deb.debian.org/debian/dists/bookworm/Release 2>/dev/null`;
const traces = `ls -d "$1" /var/lib/apt/lists/*bundle* /etc/apt/sources.list.d/*bundle* /usr/sbin/policy-rc.d 2>/dev/null
systemctl is-enabled nginx 2>/dev/null; pgrep -x nginx; true`;

describe('one machine without a network', () => {
  let one: Machines;
  let ssh: Ssh;
  let host: SshHost;
  let folder: string;
  let world: World;
  let bundle: Bundle;

  beforeAll(async () => {
    one = await machines(1);
    ssh = openSsh(one.settings, process.env);
    host = ssh.host(one.hosts[0]!.target());
    folder = mkdtempSync(`${tmpdir()}/dd-local-`);
    process.env.XDG_CACHE_HOME = `${folder}/cache`;
    const here = { ...fakeWorld(), files: localFiles };
    world = worldOf(host, here);
    const made = await cli(
      `${process.cwd()}/src/main.ts`,
      folder,
    )('bundle create --target local --os debian12 --model demo');
    expect(made.code, made.text).toBe(0);
    bundle = await openBundle(`${folder}/deepseek.bundle`, here);
    const cut = await host.run({ ...sh(cutOff, one.hosts[0]!.address.replace(/\d+$/, '0/24')), sudo: true });
    expect(cut.code, cut.stderr).toBe(0);
  }, 300_000);
  afterAll(async () => {
    await ssh?.close();
    await one?.close();
    delete process.env.XDG_CACHE_HOME;
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('gets nginx from the bundle, and nothing else of it stays or runs', async () => {
    expect((await findNginx(world)).usable).toBe(false);
    const parts = await packagesHere(bundle, world);
    await host.run({ ...sh('mkdir -p "$1"', '/var/lib/own place'), sudo: true });
    for (const action of nginxFromFiles(bundleFolder, parts)) await perform(action, world, () => {});
    expect(await findNginx(world)).toMatchObject({ usable: true });
    const left = await host.run({ ...sh(traces, bundleFolder), sudo: true });
    expect(left.stdout.trim()).toBe('disabled');
  }, 300_000);
});
