import { describe, expect, it } from 'vitest';
import { listOf, localPath, readUris } from '../../src/bundle/apt.js';

const a = 'a'.repeat(64);
const b = 'b'.repeat(64);

describe('what apt says', () => {
  it('its list of addresses, and nothing else it may print', () => {
    const printed = `W: something
'http://deb.debian.org/debian/pool/main/l/lvm2/lvm2_2.03.16-2_amd64.deb' lvm2_2.03.16-2_amd64.deb 1256000 SHA256:${a}
'file:/srv/x_1%3a2_all.deb' x_1%3a2_all.deb 12 SHA256:${b}
'http://deb.debian.org/x.deb' y.deb 12 MD5Sum:0123`;
    expect(readUris(printed)).toEqual([
      {
        url: 'http://deb.debian.org/debian/pool/main/l/lvm2/lvm2_2.03.16-2_amd64.deb',
        file: 'lvm2_2.03.16-2_amd64.deb',
        bytes: 1_256_000,
        sha256: a,
      },
      { url: 'file:/srv/x_1%3a2_all.deb', file: 'x_1%3a2_all.deb', bytes: 12, sha256: b },
    ]);
  });

  it('where a package lies on this machine already', () => {
    const deb = { url: 'file:/srv/x%2by.deb', file: '', bytes: 0, sha256: '' };
    expect(localPath(deb)).toBe('/srv/x+y.deb');
    expect(localPath({ ...deb, url: 'file:///srv/x.deb' })).toBe('/srv/x.deb');
    expect(localPath({ ...deb, url: 'https://x/file:/y.deb' })).toBeUndefined();
  });
});

describe('the list of a repository', () => {
  const shown = `Package: lvm2
Version: 2:2.03.16-2
Description: one
 of several lines
Filename: pool/main/l/lvm2/lvm2_2.03.16-2_amd64.deb
SHA256: ${a}

Package: lvm2
Version: 2.0-1
Filename: pool/older.deb
SHA256: ${'c'.repeat(64)}

Package: socat
Version: 1.7.4.4-2
Filename: pool/socat.deb
SHA256: ${b}
`;
  const debs = [
    { url: '', file: 'socat_1.7.4.4-2_amd64.deb', bytes: 1, sha256: b },
    { url: '', file: 'lvm2_2%3a2.03.16-2_amd64.deb', bytes: 1, sha256: a },
  ];

  it('has exactly those, beside it', () => {
    const { list, packages } = listOf(shown, debs);
    expect(packages).toEqual([
      { name: 'socat', version: '1.7.4.4' },
      { name: 'lvm2', version: '2.03.16' },
    ]);
    expect(list).toContain('Filename: ./socat_1.7.4.4-2_amd64.deb\n');
    expect(list).toContain('Description: one\n of several lines\nFilename: ./lvm2_2.03.16-2_amd64.deb\n');
    expect(list).not.toContain('older');
  });

  it('is none where apt keeps one to itself', () => {
    expect(() => listOf('', debs)).toThrow(/says nothing of socat/);
  });
});
