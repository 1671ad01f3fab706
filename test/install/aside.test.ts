/** Files of old instructions, on a real disk: set aside while ours stand, and back when they go. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Distribution } from '../../src/install/distribution.js';
import { bringBack, setAside } from '../../src/install/repositories.js';
import { type RepositoryName, repositoryOf, type Sources, sourcesOf } from '../../src/install/sources.js';

const rocky: Distribution = { family: 'dnf', id: 'rhel', version: '9', arch: 'amd64' };
const debian: Distribution = { family: 'apt', id: 'debian', version: '12', codename: 'bookworm', arch: 'amd64' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/dd-aside-`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The command, with the test's folder in place of the system's. */
const here = ([program, ...words]: readonly [string, ...string[]]): void => {
  const places = /^\/etc\/(yum\.repos\.d|apt\/sources\.list\.d)/;
  execFileSync(
    program,
    words.map((word) => word.replace(places, folder)),
  );
};
const aside = (name: RepositoryName, distribution: Distribution, sources: Sources): string[] => {
  here(setAside(repositoryOf(name, sources, distribution, '1.36.4'), distribution).argv);
  return readdirSync(folder).filter((file) => file.endsWith('.before-deepseek-deploy'));
};
const repo = (name: string, baseurl: string): void => writeFileSync(`${folder}/${name}`, `[x]\nbaseurl=${baseurl}\n`);

const old: readonly (readonly [RepositoryName, string])[] = [
  ['docker', 'https://download.docker.com/linux/centos/$releasever/$basearch/stable'],
  ['docker', 'https://download.docker.com/linux/rhel/9/$basearch/stable'],
  ['kubernetes', 'https://pkgs.k8s.io/core:/stable:/v1.36/rpm/'],
  // Its kubelet would be an upgrade of ours.
  ['kubernetes', 'https://pkgs.k8s.io/core:/stable:/v1.37/rpm/'],
  ['toolkit', 'https://nvidia.github.io/libnvidia-container/stable/rpm/$basearch'],
];

it.each(old)('%s of %s goes aside, where we ask its mirror too', (name, baseurl) => {
  for (const sources of [sourcesOf('none'), sourcesOf('cn')]) {
    repo('old.repo', baseurl);
    repo('deepseek-deploy-kubernetes.repo', 'https://elsewhere/x');
    repo('rocky.repo', 'https://dl.rockylinux.org/$contentdir/$releasever/BaseOS/$basearch/os/');
    expect(aside(name, rocky, sources)).toEqual(['old.repo.before-deepseek-deploy']);
    here(bringBack(rocky).argv);
    expect(readdirSync(folder)).toContain('old.repo');
  }
});

it('ours stay, and so do those of the system on the same mirror', () => {
  const sources: Sources = {
    ...sourcesOf('none'),
    packages: {
      ...sourcesOf('none').packages,
      docker: 'https://mirror/docker',
      kubernetes: 'https://mirror/kubernetes',
    },
  };
  repo('deepseek-deploy-docker.repo', 'https://mirror/docker/linux/centos/9/$basearch/stable');
  repo('rocky.repo', 'https://mirror/rocky/9/BaseOS');
  writeFileSync(`${folder}/notes.txt`, 'https://mirror/docker/linux/centos');
  expect(aside('docker', rocky, sources)).toEqual([]);
  expect(aside('kubernetes', rocky, sources)).toEqual([]);
});

it('and on Debian', () => {
  writeFileSync(`${folder}/docker.list`, 'deb https://download.docker.com/linux/debian bookworm stable\n');
  writeFileSync(`${folder}/debian.sources`, 'URIs: http://deb.debian.org/debian\n');
  expect(aside('docker', debian, sourcesOf('cn'))).toEqual(['docker.list.before-deepseek-deploy']);
});
