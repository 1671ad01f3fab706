import { describe, expect, it, test } from 'vitest';
import { readSysctls, sysctls, sysctlText, wrong } from '../../src/install/kernel.js';
import { installFailed, missing, readInstalled } from '../../src/install/packages.js';
import { packagesFor } from '../../src/install/programs.js';

const there = readInstalled(`installed containerd.io 2.3.4-1~debian.12~bookworm
installed docker-ce 5:29.7.1-1~debian.12~bookworm
config-files kubeadm 1.35.0-1.1
installed kubelet 1.36.4-1.1
installed chrony 4.3
package cri-tools is not installed
`);

describe('what is installed', () => {
  it('is read without epoch and revision', () => {
    expect([...there]).toEqual([
      ['containerd.io', '2.3.4'],
      ['docker-ce', '29.7.1'],
      ['kubelet', '1.36.4'],
      ['chrony', '4.3'],
    ]);
  });

  it.each([
    [{ name: 'containerd.io', version: '2.3.4' }, false],
    [{ name: 'containerd.io', version: '2.3.40' }, true],
    [{ name: 'docker-ce', version: '29.*' }, false],
    [{ name: 'docker-ce', version: '28.*' }, true],
    [{ name: 'kubelet' }, false],
    [{ name: 'kubeadm' }, true],
  ])('%j is missing: %s', (one, is) => {
    expect(missing([one], there).length > 0).toBe(is);
  });
});

test('a failure is told as what it is', () => {
  const failed = (stderr: string) => installFailed('x.install', 'gpu-1')({ code: 100, stdout: '', stderr });
  expect(failed("E: Failed to fetch https://x/y  Could not resolve 'x'").exit).toBe('network');
  expect(failed('E: Could not get lock /var/lib/dpkg/lock-frontend.').text.en).toContain('lock for ten minutes');
  // As dnf 4.14 says it of a podman whose runc would go.
  const podman = failed(`Error:
 Problem: package containerd.io-2.3.4-1.el9.x86_64 conflicts with runc provided by runc-1.2-1.x86_64
  - package podman-1.2-1.x86_64 requires runc, but none of the providers can be installed
  - problem with installed package podman-1.2-1.x86_64`);
  expect([podman.exit, podman.hint?.en]).toEqual([
    'unready',
    expect.stringContaining('dnf remove podman-1.2-1.x86_64'),
  ]);
  const key = failed(
    "Error: Failed to download metadata for repo 'x': repomd.xml GPG signature verification error: Bad",
  );
  expect([key.exit, key.text.en]).toEqual(['failed', expect.stringContaining('GPG signature')]);
  expect(failed("E: Version '9-*' for 'kubelet' was not found").text.en).toContain("'9-*' for 'kubelet'");
});

test('one package is asked for once, whatever is missing of it', () => {
  const dnf = { family: 'dnf', id: 'rhel', version: '9', arch: 'amd64' } as const;
  expect(packagesFor(['iptables', 'ebtables', 'socat'], dnf)).toEqual(['socat', 'iptables-nft']);
  expect(packagesFor([], dnf)).toEqual([]);
});

describe('settings of the kernel', () => {
  const good = sysctls.map(({ key, value }) => `${key} ${value}`).join('\n');

  it('are right when each has its value, or more where more is as good', () => {
    expect(wrong(readSysctls(good))).toEqual([]);
    expect(wrong(readSysctls(good.replace('max_map_count 262144', 'max_map_count 1048576')))).toEqual([]);
    expect(wrong(readSysctls(good.replace('ip_forward 1', 'ip_forward 0'))).map(({ key }) => key)).toEqual([
      'net.ipv4.ip_forward',
    ]);
  });

  it('are wrong where the kernel does not have them: its module is not loaded', () => {
    const without = good.split('\n').filter((line) => !line.includes('bridge'));
    expect(wrong(readSysctls(without.join('\n'))).map(({ key }) => key)).toEqual([
      'net.bridge.bridge-nf-call-iptables',
      'net.bridge.bridge-nf-call-ip6tables',
    ]);
  });

  it('never make smaller what is larger', () => {
    expect(sysctlText(readSysctls('vm.max_map_count 1048576'))).toContain('vm.max_map_count = 1048576\n');
    expect(sysctlText(new Map())).toContain('vm.max_map_count = 262144\n');
  });
});
