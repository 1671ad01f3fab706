import { describe, expect, it } from 'vitest';
import { diagnose } from '../../src/checks/gpu.js';
import { remedies } from '../../src/checks/gpu-remedies.js';
import { cudaOfDriver } from '../../src/probes/cuda-branches.js';
import { readTroubles, sayings } from '../../src/probes/gpu-errors.js';
import { understand } from '../../src/probes/understand.js';
import { diagnosisOfXid } from '../../src/probes/xids.js';

const faultsOf = (text: string) => {
  const found = understand(text);
  return found && diagnose(found).filter(({ severity }) => severity === 'fault');
};

/** As people report them, from Linux, Windows, WSL, containers and the kernel. */
const reports: readonly (readonly [string, string])[] = [
  [
    'gpu.driver-missing',
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
  ],
  ['gpu.driver-missing', 'Failed to initialize NVML: Driver Not Loaded'],
  ['gpu.driver-missing', 'modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.8.0-45-generic'],
  ['gpu.driver-mismatch', 'Failed to initialize NVML: Driver/library version mismatch'],
  ['gpu.nvml-unknown', 'Failed to initialize NVML: Unknown Error'],
  ['gpu.nvml-unknown', 'Failed to initialize NVML: N/A\nFailed to properly shut down NVML: N/A'],
  ['gpu.permissions', 'Failed to initialize NVML: Insufficient Permissions'],
  ['gpu.permissions', 'Unable to determine the device handle for GPU 0000:01:00.0: Insufficient Permissions'],
  ['gpu.permissions', 'No GPU instances found: Insufficient Permissions'],
  ['gpu.blocked', 'Failed to initialize NVML: GPU access blocked by the operating system'],
  ['gpu.none', 'No devices were found'],
  ['gpu.none', 'RuntimeError: no CUDA-capable device is detected'],
  ['gpu.none', "modprobe: ERROR: could not insert 'nvidia': No such device"],
  [
    'gpu.lost',
    'Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot\nthe system to recover this GPU',
  ],
  ['gpu.lost', 'Unable to determine the device handle for GPU0000:07:00.0: Unknown Error'],
  ['gpu.lost', 'Unable to determine the device handle for GPU 0000:01:00.0: Not Found'],
  [
    'gpu.lost',
    '[12.3] NVRM: The NVIDIA GPU 0000:b3:00.0\n     NVRM: (PCI ID: 10de:26b5) installed in this system has\n     NVRM: fallen off the bus and is not responding to commands.',
  ],
  ['gpu.reset-needed', 'Unable to determine the device handle for GPU 0000:3B:00.0: GPU requires reset'],
  ['gpu.inforom', 'WARNING: infoROM is corrupted at gpu 0000:0B:00.0'],
  [
    'gpu.library-missing',
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver is properly installed and present in your system.",
  ],
  [
    'gpu.library-missing',
    'nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file',
  ],
  ['gpu.smi-missing', 'bash: nvidia-smi: command not found'],
  ['gpu.smi-missing', 'sh: 1: nvidia-smi: not found'],
  ['gpu.smi-missing', 'zsh: command not found: nvidia-smi'],
  ['gpu.smi-missing', 'bash: nvidia-smi：未找到命令'],
  ['gpu.smi-missing', "'nvidia-smi' is not recognized as an internal or external command,"],
  ['gpu.smi-missing', "nvidia-smi : The term 'nvidia-smi' is not recognized as the name of a cmdlet"],
  ['gpu.smi-missing', "Command 'nvidia-smi' not found, but can be installed with:"],
  ['gpu.smi-missing', 'exec: "nvidia-smi": executable file not found in $PATH: unknown.'],
  ['gpu.bad-query', 'Field "memory.foo" is not a valid field to query.'],
  ['gpu.bad-query', "ERROR: Option -m is missing its value. Please run 'nvidia-smi -h' for help."],
  ['gpu.secure-boot', "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service"],
  [
    'gpu.toolkit-missing',
    'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
  ],
  ['gpu.fabric', 'Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized'],
  ['gpu.cuda-compat', 'Error 804: forward compatibility was attempted on non supported HW'],
  ['gpu.hung', "timeout: sending signal TERM to command 'nvidia-smi'"],
  ['gpu.hung', 'INFO: task nvidia-smi:12345 blocked for more than 120 seconds.'],
  ['gpu.init', 'NVRM: GPU 0000:c1:00.0: RmInitAdapter failed! (0x26:0xffff:1466)'],
  ['gpu.nouveau', 'NVRM: The NVIDIA probe routine was not called for 1 device(s).'],
  ['gpu.ecc', 'NVRM: Xid (PCI:0000:c1:00): 48, pid=1, DBE (double bit error)'],
  ['gpu.nvlink', 'NVRM: Xid (PCI:0000:c1:00): 74, pid=1, NVLink: fatal error detected on link 6'],
  ['gpu.reset-needed', 'NVRM: Xid (PCI:0000:c1:00): 119, pid=1, Timeout waiting for RPC from GSP!'],
  ['gpu.xid', 'NVRM: Xid (PCI:0000:c1:00): 999, something new'],
];

describe('sentences', () => {
  it.each(reports)('%s: %s', (id, text) => {
    expect(faultsOf(text)!.map((fault) => fault.id)).toEqual([id]);
  });

  it('each diagnosis that a sentence leads to has its remedy in both languages', () => {
    for (const { id } of sayings) {
      const { found, cure } = remedies[id]!;
      for (const text of [found, cure]) expect([text.en, text.zh].every((words) => words.length > 3)).toBe(true);
    }
    const xids = Array.from({ length: 200 }, (_, xid) => diagnosisOfXid(xid)).filter((id) => id !== undefined);
    for (const id of xids) expect(remedies[id], id).toBeDefined();
  });

  it('prose, pages and data are no output', () => {
    for (const text of [
      'I bought a new NVIDIA card; name, memory and all. The GPU is lost in the mail.',
      '<!DOCTYPE html><html><body><p>NVIDIA drivers</p></body></html>',
      '{"gpu": {"index": 0, "name": "x"}}',
      'index of the book, name of the rose',
      '# Title\n\nSome text, with commas, and more.\n',
      'timestamp',
      '-----\n+++++\n|||||',
    ]) {
      expect(understand(text), text).toBeUndefined();
    }
  });
});

describe('which GPU is meant', () => {
  it.each([
    ['GPU 0000:02:00.0: GPU is lost', { busId: '00000000:02:00.0' }],
    ['GPU0000:25:00.0: Unknown Error', { busId: '00000000:25:00.0' }],
    ['GPU3: 0000:5F:00.0: Unknown Error', { index: 3, busId: '00000000:5F:00.0' }],
    ['GPU2: Unknown Error', { index: 2 }],
    ['gpu 0000:65:00.0: GPU is lost.', { busId: '00000000:65:00.0' }],
  ])('%s', (rest, gpu) => {
    expect(readTroubles([`Unable to determine the device handle for ${rest}`])[0]!.gpu).toEqual(gpu);
  });

  it('a report broken over lines names it on the first', () => {
    const text =
      '[1] NVRM: The NVIDIA GPU 0000:b3:00.0\n   NVRM: (PCI ID: 10de:26b5) installed in this system has\n   NVRM: fallen off the bus';
    expect(readTroubles(text.split('\n'))[0]!.gpu).toEqual({ busId: '00000000:B3:00.0' });
  });
});

describe('a version mismatch', () => {
  it.each([
    [
      'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.173\nNVRM kernel module:   580.159.03',
      { library: '580.173', kernel: '580.159.03' },
    ],
    [
      '[1] NVRM: API mismatch: the client has the version 535.161.08, but\n NVRM: this kernel module has the version 535.154.05.  Please',
      { library: '535.161.08', kernel: '535.154.05' },
    ],
    ['Failed to initialize NVML: Driver/library version mismatch', undefined],
    [
      'Failed to initialize NVML: Driver/library version mismatch\n\nNVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5',
      { kernel: '550.54.15' },
    ],
  ])('%s', (text, detail) => {
    const [fault] = faultsOf(text)!;
    expect(fault!.id).toBe('gpu.driver-mismatch');
    expect(fault!.detail).toEqual(detail);
    for (const version of Object.values(detail ?? {})) expect(fault!.found.en).toContain(version);
  });
});

it('Xid 154 that reports the recovery is no fault', () => {
  expect(
    faultsOf(
      'NVRM: Xid (PCI:0000:c1:00): 154, GPU recovery action changed from 0x2 (Node Reboot Required) to 0x0 (None)',
    ),
  ).toEqual([]);
});

describe('the CUDA of a driver', () => {
  it.each([
    ['384.111', '9.0'],
    ['430.26', '10.1'],
    ['470.256.02', '11.4'],
    ['536.40', '12.2'],
    ['591.86', '13.1'],
    ['616.92', '13.4'],
    ['999.10', undefined],
    ['340.108', undefined],
  ])('%s carries %s', (driver, cuda) => {
    expect(cudaOfDriver(driver)).toBe(cuda);
  });
});
