/** What of a bundle's rpms is read, and where they are collected; dnf itself is asked in test/hosts/dnf-bundle.machines.ts. */
import { describe, expect, it } from 'vitest';
import { Contents } from '../../src/bundle/contents.js';
import { collectRpms, readListed } from '../../src/bundle/dnf.js';
import { fakeWorld } from '../world/fake.js';

const hash = 'c'.repeat(64);

it('a list says packages, paths that stand for one, and files', () => {
  const said = `package curl-minimal 7.76.1
package kubeadm 1.36.4
warning: something
package /usr/bin/curl 7.76.1
file 123 ${hash} kubeadm-1.36.4-150500.1.1.x86_64.rpm
file 9 ${hash} repodata/repomd.xml
file x ${hash} nothing
`;
  expect(readListed(said)).toEqual({
    packages: [
      { name: 'curl-minimal', version: '7.76.1' },
      { name: 'kubeadm', version: '1.36.4' },
      { name: '/usr/bin/curl', version: '7.76.1' },
    ],
    files: [
      { path: 'kubeadm-1.36.4-150500.1.1.x86_64.rpm', bytes: 123, sha256: hash },
      { path: 'repodata/repomd.xml', bytes: 9, sha256: hash },
    ],
  });
});

describe('rpms of RHEL 9', () => {
  const rhel9 = { family: 'dnf', id: 'rhel', version: '9', arch: 'amd64' } as const;
  const on = (release: string) => {
    const world = fakeWorld({
      commands: [
        [/os-release/, { stdout: release }],
        [/^uname/, { stdout: 'Linux 5.14.0-611.el9.x86_64 x86_64\n' }],
        [/dnf install -y --installroot/, { stdout: '' }],
        [/rpm -qp/, { stdout: `package kubeadm 1.36.4\nfile 5 ${hash} kubeadm-1.36.4.rpm\n` }],
      ],
    });
    const contents = new Contents();
    const wanted = [{ name: 'kubeadm', version: '1.36.4' }, { name: '/usr/bin/curl' }];
    return { world, contents, made: collectRpms('/x', rhel9, [], wanted, contents, world, () => {}) };
  };

  it.each(['ID="rocky"\nVERSION_ID="9.7"', 'ID="rhel"\nVERSION_ID="9.4"', 'ID="almalinux"\nVERSION_ID="9.6"'])(
    'are collected on a machine of its kin: %j',
    async (release) => {
      const { world, contents, made } = on(release);
      expect(await made).toEqual({
        system: { id: 'rhel9-amd64', packages: [{ name: 'kubeadm', version: '1.36.4' }] },
        kubeadm: '/x/rpms/kubeadm-1.36.4.rpm',
      });
      expect(contents.files).toEqual([{ path: 'packages/rhel9-amd64/kubeadm-1.36.4.rpm', bytes: 5, sha256: hash }]);
      const dnf = world.ran.find((line) => line.includes('--downloadonly'))!;
      expect(dnf).toMatch(/^sudo /);
      expect(dnf).toMatch(/ bundle \/x platform:el9 kubeadm-1\.36\.4 \/usr\/bin\/curl$/);
    },
  );

  it.each(['ID=rocky\nVERSION_ID=10.1', 'ID=debian\nVERSION_ID=12', 'ID=fedora\nVERSION_ID=43'])(
    'are not on another: %j',
    async (release) => {
      await expect(on(release).made).rejects.toMatchObject({ id: 'bundle.system', exit: 'unready' });
    },
  );
});
