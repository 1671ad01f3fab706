import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHost } from '../../src/probes/host.js';
import { mask, type Private } from '../../src/probes/mask.js';
import type { Section } from '../../src/probes/probe.js';
import { isRecording, readRecording, writeRecording } from '../../src/probes/recording.js';

const made = '2026-11-24';
const nobody: Private = { hosts: [], users: [], paths: {} };

/** Lines that look like our own marks are the hard ones. */
const line = fc.oneof(
  fc.string({ maxLength: 30 }).map((text) => text.replace(/[\r\n\u2028\u2029]/g, '')),
  fc.constantFrom(
    '# $ nvidia-smi',
    '# exit 3',
    '# exit 0 host.os',
    '# stderr',
    '\\# stderr',
    '\\\\# $ x',
    '# gpu    pwr',
    '# > more',
    '',
  ),
);
const output = fc.array(line, { maxLength: 6 }).map((lines) => {
  const text = lines.join('\n').replace(/\n+$/, '');
  return text === '' ? '' : `${text}\n`;
});
const section: fc.Arbitrary<Section> = fc.record({
  id: fc.constantFrom('host.os', 'gpu.query', 'host.ports'),
  line: fc.constantFrom('uname -srm', "sh -c 'a\nb\n# exit 1' probe", 'nvidia-smi -q -x'),
  result: fc.record({ code: fc.nat(255), stdout: output, stderr: output }),
});

describe('a recording', () => {
  it('gives back what was written, whatever the outputs look like', () => {
    fc.assert(
      fc.property(fc.array(section, { maxLength: 5 }), (sections) => {
        const text = writeRecording(sections, made);
        expect(isRecording(text)).toBe(true);
        expect(readRecording(text)).toEqual(sections);
        expect(readRecording(`\ufeff${text.replaceAll('\n', '\r\n')}`)).toEqual(sections);
      }),
    );
  });

  it('an end that is missing costs the last output only', () => {
    const sections: Section[] = [
      { id: 'host.kernel', line: 'uname -srm', result: { code: 0, stdout: 'Linux 6.1.0 x86_64\n', stderr: '' } },
      { id: 'host.os', line: 'cat', result: { code: 0, stdout: 'ID=debian\nVERSION_ID="12"\n', stderr: '' } },
    ];
    const text = writeRecording(sections, made);
    const facts = readHost(readRecording(text.slice(0, -20)));
    expect(facts.kernel?.release).toBe('6.1.0');
  });

  it('is told from an output', () => {
    expect([isRecording(''), isRecording('# gpu pwr'), isRecording('GPU 0: x')]).toEqual([false, false, false]);
  });
});

const hexOf = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const uuid = fc
  .tuple(hexOf(8), hexOf(4), hexOf(4), hexOf(4), hexOf(12))
  .map((parts) => parts.join('-'))
  .filter((id) => !/^[0-]+$/.test(id));
const name = fc.string({ unit: fc.constantFrom(...'bcdfghjklmnpqrstvwxz'), minLength: 8, maxLength: 14 });
const ip4 = fc
  .tuple(fc.integer({ min: 11, max: 126 }), fc.nat(255), fc.nat(255), fc.integer({ min: 1, max: 254 }))
  .map((parts) => parts.join('.'));
const ip6 = fc.tuple(hexOf(4), hexOf(4), hexOf(4)).map(([a, b, c]) => `fd${a.slice(2)}:${b}::1${c.slice(1)}`);
const mac = fc
  .array(hexOf(2), { minLength: 6, maxLength: 6 })
  .map((parts) => parts.join(':'))
  .filter((text) => !text.startsWith('02:00:00:00'));

const secrets = fc.record({
  host: name,
  user: name,
  folder: name,
  argument: name,
  uuids: fc.uniqueArray(uuid, { minLength: 2, maxLength: 2 }),
  serial: fc.integer({ min: 1_000_000_000, max: 9_999_999_999 }).map(String),
  ip4,
  ip6,
  mac,
});

type Secrets = typeof secrets extends fc.Arbitrary<infer T> ? T : never;

const gpu = (index: number, id: string, serial: string, process: string): string => `<gpu id="00000000:0${index}:00.0">
<product_name>NVIDIA L40S</product_name><serial>${serial}</serial><uuid>GPU-${id}</uuid>
<pci><pci_bus_id>00000000:0${index}:00.0</pci_bus_id></pci>
<fb_memory_usage><total>46068 MiB</total><used>0 MiB</used></fb_memory_usage>
<fabric><state>N/A</state><clusterUuid>00000000-0000-0000-0000-000000000000</clusterUuid></fabric>
<processes><process_info><pid>7</pid><type>C</type><process_name>${process}</process_name><used_memory>9 MiB</used_memory></process_info></processes>
</gpu>
`;

function machineOf({ host, user, folder, argument, uuids, serial, ip4, ip6, mac }: Secrets): Section[] {
  const process = `/home/${user}/${folder}/bin/python3 serve.py --key ${argument}`;
  const section = (id: string, line: string, stdout: string, stderr = ''): Section => ({
    id,
    line,
    result: { code: 0, stdout, stderr },
  });
  return [
    section('host.kernel', 'uname -srm', 'Linux 5.15.167.4-microsoft x86_64\n'),
    section(
      'host.disks',
      `sh -c 'df' probe /home/${user}/${folder}/state /srv/${folder}/cache`,
      'root: 1000 900\n',
      `df: /home/${user}: denied\n`,
    ),
    section(
      'host.ports',
      'ss',
      `LISTEN 0 1 ${ip4}:80 0.0.0.0:*\nLISTEN 0 1 [${ip6}]:81 [::]:* users:(("nginx",pid=3,fd=1))\nLISTEN 0 1 127.0.0.1:82 0.0.0.0:*\n`,
      `sudo: unable to resolve host ${host}: Name or service not known\n`,
    ),
    section('host.tools', 'sh', 'has openresty\nopenresty/1.27.1.2\n'),
    section(
      'gpu.query',
      'nvidia-smi -q -x',
      `<nvidia_smi_log><driver_version>580.95.05</driver_version><attached_gpus>2</attached_gpus>\n${gpu(1, uuids[0]!, serial, process)}${gpu(2, uuids[1]!, serial, process)}</nvidia_smi_log>\n`,
    ),
    section('gpu.list', 'nvidia-smi -L', uuids.map((id, at) => `GPU ${at}: NVIDIA L40S (UUID: GPU-${id})\n`).join('')),
    section(
      'gpu.kernel-log',
      'dmesg',
      `NVRM: GPU at PCI:0000:01:00: GPU-${uuids[0]}\nNVRM: GPU Board Serial Number: ${serial}\nmlx5: ${mac} to ${ip4} by ${user}@${host}.example\n`,
    ),
  ];
}

const known = ({ host, user, folder }: Secrets): Private => ({
  hosts: [host],
  users: [user],
  paths: { [`/home/${user}/${folder}/state`]: 'state', [`/srv/${folder}/cache`]: 'cache' },
});

describe('the mask', () => {
  it('leaves nothing that names a machine, a person or a board', () => {
    fc.assert(
      fc.property(secrets, (all) => {
        const text = writeRecording(mask(machineOf(all), known(all)), made).toLowerCase();
        for (const secret of [
          all.host,
          all.user,
          all.folder,
          all.argument,
          ...all.uuids,
          all.serial,
          all.ip4,
          all.ip6,
          all.mac,
        ]) {
          expect(text).not.toContain(secret.toLowerCase());
        }
      }),
      { numRuns: 60 },
    );
  });

  it('keeps the picture: the same machine but for its names', () => {
    fc.assert(
      fc.property(secrets, (all) => {
        const [before, after] = [machineOf(all), mask(machineOf(all), known(all))].map((sections) =>
          readHost(readRecording(writeRecording(sections, made))),
        );
        const same = new Map(all.uuids.map((id, at) => [`GPU-${id}`, after!.gpu!.picture.gpus[at]!.uuid]));
        const renamed = before!.gpu!.picture.gpus.map((one) => ({ ...one, uuid: same.get(one.uuid!)! }));
        expect(after!.gpu!.picture).toEqual({ ...before!.gpu!.picture, gpus: renamed });
        expect(new Set(after!.gpu!.picture.gpus.map(({ uuid: id }) => id)).size).toBe(2);
        expect({ ...after, gpu: 0, ports: 0 }).toEqual({ ...before, gpu: 0, ports: 0 });
        expect(after!.ports!.map(({ port }) => port)).toEqual([80, 81, 82]);
        expect(after!.ports!.map(({ address }) => address)).toEqual(['192.0.2.1', '2001:db8::1', '127.0.0.1']);
      }),
      { numRuns: 60 },
    );
  });

  it('masked twice is masked once', () => {
    fc.assert(
      fc.property(secrets, (all) => {
        const once = mask(machineOf(all), known(all));
        expect(mask(once, nobody)).toEqual(once);
      }),
      { numRuns: 40 },
    );
  });

  it('addresses in the notation of the kernel too', () => {
    const ports = (stdout: string): Section => ({
      id: 'host.ports',
      line: 'ss',
      result: { code: 0, stdout, stderr: '' },
    });
    const [masked] = mask(
      [
        ports(
          'listen 0500000A:1F90\nlisten 0100007F:1F91\nlisten 00FD0000000000000000000001000000:1F92\nlisten 00000000000000000000000000000000:0016\n',
        ),
      ],
      nobody,
    );
    expect(readHost([masked!]).ports!.map(({ address, port }) => `${address} ${port}`)).toEqual([
      ':: 22',
      '192.0.2.1 8080',
      '127.0.0.1 8081',
      '2001:db8::1 8082',
    ]);
  });

  it('the name of a host that is a word of the output stays: it tells nobody anything', () => {
    const text = 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: x)\n';
    const [masked] = mask([{ id: 'gpu.list', line: 'x', result: { code: 0, stdout: text, stderr: '' } }], {
      hosts: ['h100', 'nvidia', 'gpu'],
      users: ['root'],
      paths: {},
    });
    expect(masked!.result.stdout).toBe(text);
  });
});
