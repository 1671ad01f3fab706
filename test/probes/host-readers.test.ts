/** The readers of host probes over outputs of machines we do not have. */
import { describe, expect, it } from 'vitest';
import { cgroup } from '../../src/probes/cgroup.js';
import { readPciDevices } from '../../src/probes/pci.js';
import { ports } from '../../src/probes/ports.js';
import { countOfList, cpu, disks, memory } from '../../src/probes/resources.js';
import { kernel, os, virtualization } from '../../src/probes/system.js';
import { tools } from '../../src/probes/tools.js';

const out = (stdout: string, code = 0) => ({ code, stdout, stderr: '' });

describe('operating system', () => {
  it('os-release, quoted or not', () => {
    const text = 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n';
    expect(os.read(out(text))).toEqual({
      id: 'ubuntu',
      version: '24.04',
      name: 'Ubuntu 24.04.1 LTS',
      like: ['debian'],
    });
    const rocky =
      'NAME="Rocky Linux"\nVERSION_ID="9.7"\nID="rocky"\nID_LIKE="rhel centos fedora"\nPRETTY_NAME="Rocky Linux 9.7"\n';
    expect(os.read(out(rocky))).toMatchObject({ id: 'rocky', like: ['rhel', 'centos', 'fedora'] });
  });
  it('macOS', () => {
    expect(os.read(out('ProductName:\t\tmacOS\nProductVersion:\t\t15.1\nBuildVersion:\t\t24B83\n'))).toEqual({
      id: 'macos',
      version: '15.1',
      name: 'macOS 15.1',
    });
  });
  it('nothing said, nothing known', () => {
    expect(os.read(out('', 127))).toBeUndefined();
    expect(kernel.read(out('', 127))).toBeUndefined();
  });
  it('kernel', () => {
    expect(kernel.read(out('Linux 5.15.167.4-microsoft-standard-WSL2 x86_64\n'))).toEqual({
      name: 'Linux',
      release: '5.15.167.4-microsoft-standard-WSL2',
      arch: 'x86_64',
    });
  });
});

describe('virtualization', () => {
  it.each([
    ['vm: none\ncontainer: none\n', { vm: 'none' }],
    ['vm: kvm\ncontainer: none\nhypervisor: yes\n', { vm: 'kvm' }],
    ['vm: none\ncontainer: docker\nmarker: docker\n', { vm: 'none', container: 'docker' }],
    ['sys_vendor: Amazon EC2\nproduct_name: p5.48xlarge\nhypervisor: yes\n', { vm: 'amazon' }],
    ['vm: none\nsys_vendor: Amazon EC2\nproduct_name: p5.metal\n', { vm: 'none' }],
    ['hypervisor: yes\nmarker: kubernetes\nmarker: container\n', { vm: 'unknown', container: 'kubernetes' }],
    ['vm: microsoft\nwsl: yes\n', { vm: 'wsl' }],
    ['', undefined],
  ])('%j', (text, wanted) => {
    expect(virtualization.read(out(text))).toEqual(wanted);
  });
});

describe('CPU', () => {
  it('lscpu goes before cpuinfo, the affinity is counted', () => {
    const text =
      'CPU(s):                               384\nModel name:                           AMD EPYC 9654 96-Core Processor\nThread(s) per core:                   2\nCore(s) per socket:                   96\nSocket(s):                            2\ncpuinfo: 384 2 192\ncpumodel: AMD EPYC 9654 96-Core Processor\nflags: fpu sse4_2 avx avx2 avx512f ht\nCpus_allowed_list:\t0-15,192-207\n';
    expect(cpu.read(out(text))).toEqual({
      model: 'AMD EPYC 9654 96-Core Processor',
      sockets: 2,
      cores: 192,
      threads: 384,
      allowed: 32,
      features: ['sse4_2', 'avx', 'avx2', 'avx512f'],
    });
  });
  it('without lscpu, on a small system', () => {
    const text = 'cpuinfo: 4 1 2\ncpumodel: Intel(R) Xeon(R)\nflags: avx2\nCpus_allowed_list:\t0-3\n';
    expect(cpu.read(out(text))).toEqual({
      model: 'Intel(R) Xeon(R)',
      sockets: 1,
      cores: 2,
      threads: 4,
      allowed: 4,
      features: ['avx2'],
    });
  });
  it('arm64 names no socket in cpuinfo', () => {
    const text =
      'CPU(s):  144\nModel name:  Neoverse-V2\nCore(s) per socket:  72\nSocket(s):  2\ncpuinfo: 144 0 0\ncpumodel: \nflags: fp asimd asimddp i8mm bf16 sve\n';
    expect(cpu.read(out(text))).toMatchObject({
      model: 'Neoverse-V2',
      cores: 144,
      features: ['asimd', 'asimddp', 'i8mm', 'bf16', 'sve'],
    });
  });
  it('lists of CPUs', () => {
    expect([
      countOfList('0-3,8,10-11'),
      countOfList('5'),
      countOfList(''),
      countOfList(undefined),
      countOfList('x'),
    ]).toEqual([7, 1, undefined, undefined, undefined]);
  });
});

describe('control groups', () => {
  it('version 2: the least on the way up', () => {
    const text =
      'type: cgroup2fs\ncpu.max: max 100000\nmemory.max: max\ncpuset.cpus.effective: 0-7\ncpu.max: 250000 100000\nmemory.max: 8589934592\nmemory.high: max\ncpu.max: 400000 100000\n';
    expect(cgroup.read(out(text))).toEqual({ version: 2, cpuQuota: 2.5, cpus: 8, memoryMiB: 8192 });
  });
  it('version 1: -1 and 2^63 are no limits', () => {
    const free =
      'type: tmpfs\ncpu.cfs_quota_us: -1\ncpu.cfs_period_us: 100000\nmemory.limit_in_bytes: 9223372036854771712\ncpuset.cpus: 0-1\n';
    expect(cgroup.read(out(free))).toEqual({ version: 1, cpus: 2 });
    const bound =
      'type: tmpfs\ncpu.cfs_quota_us: 50000\ncpu.cfs_period_us: 100000\nmemory.limit_in_bytes: 1073741824\n';
    expect(cgroup.read(out(bound))).toEqual({ version: 1, cpuQuota: 0.5, memoryMiB: 1024 });
  });
});

describe('memory and disks', () => {
  it('in MiB', () => {
    expect(
      memory.read(
        out('MemTotal:       24683820 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\nSwapTotal:             0 kB\n'),
      ),
    ).toEqual({
      totalMiB: 24105,
      availableMiB: 19531,
      swapMiB: 0,
    });
    expect(memory.read(out('bytes: 17179869184\n'))).toEqual({ totalMiB: 16384 });
    expect(disks({ home: '', cache: '' }).read(out('root: 264212472 82070000\ncache: x y\n'))).toEqual([
      { of: 'root', totalMiB: 258019, freeMiB: 80146 },
    ]);
  });
});

describe('ports', () => {
  it('of ss', () => {
    const text = `LISTEN 0 511 0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid=10,fd=6),("nginx",pid=9,fd=6))
LISTEN 0 128 [::]:22 [::]:*
LISTEN 0 4096 127.0.0.53%lo:53 0.0.0.0:*
LISTEN 0 4096 *:9100 *:*
LISTEN 0 4096 [::ffff:127.0.0.1]:7000 *:*
`;
    expect(ports.read(out(text))).toEqual([
      { address: '::', port: 22 },
      { address: '127.0.0.53', port: 53 },
      { address: '127.0.0.1', port: 7000 },
      { address: '0.0.0.0', port: 8080, program: 'nginx', pid: 10 },
      { address: '::', port: 9100 },
    ]);
  });
  it('of /proc/net, where there is no ss', () => {
    const text =
      'listen 0100007F:1F90\nlisten 00000000:0016\nlisten 00000000000000000000000001000000:0277\nlisten 00000000000000000000000000000000:0016\nlisten 0000000000000000FFFF00000100007F:22B8\nlisten B80D0120000000000000000005000000:0050\n';
    expect(ports.read(out(text)).map(({ address, port }) => `${address} ${port}`)).toEqual([
      '0.0.0.0 22',
      ':: 22',
      '2001:db8::5 80',
      '::1 631',
      '127.0.0.1 8080',
      '127.0.0.1 8888',
    ]);
  });
});

describe('tools and PCI devices', () => {
  it('a web server with and without Lua', () => {
    const with_ =
      'has nginx\nhas apt-get\nhas systemctl\nsystemd running\nsystemd 252 (252.39-1~deb12u1)\nnginx/1.22.1\n/usr/lib/nginx/modules/ngx_http_lua_module.so\n';
    expect(tools.read(out(with_))).toEqual({
      nginx: { version: '1.22.1', lua: true },
      packages: 'apt',
      systemd: { version: '252', running: true },
    });
    expect(tools.read(out('has nginx\nhas dnf\nnginx/1.26.2\n'))).toEqual({
      nginx: { version: '1.26.2', lua: false },
      packages: 'dnf',
    });
    expect(tools.read(out('has openresty\nopenresty/1.27.1.2\n'))).toEqual({
      nginx: { version: '1.27.1.2', lua: true },
    });
    expect(tools.read(out(''))).toBeUndefined();
  });
  it('boards, switches and what holds them', () => {
    expect(
      readPciDevices(
        '0000:19:00.0 0x2330 0x030200 nvidia\n0000:04:00.0 0x22a3 0x068000 -\n0000:1a:00.1 0x22ba 0x040300 snd_hda_intel\n',
      ),
    ).toEqual([
      { busId: '00000000:19:00.0', id: '2330', kind: 'gpu', name: 'NVIDIA H100 80GB HBM3', driver: 'nvidia' },
      { busId: '00000000:04:00.0', id: '22A3', kind: 'switch' },
      { busId: '00000000:1A:00.1', id: '22BA', kind: 'other', driver: 'snd_hda_intel' },
    ]);
  });
});
