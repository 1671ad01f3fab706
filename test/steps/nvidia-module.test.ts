/** The scripts as a shell runs them, with programs that answer as dkms and nvidia-smi do. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { answersScript, builtScript, driverFailed } from '../../src/steps/nvidia-module.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/dd-dkms-`);
  mkdirSync(`${folder}/bin`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const program = (name: string, script: string): void =>
  writeFileSync(`${folder}/bin/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
const run = (script: string, ...words: string[]) =>
  spawnSync('sh', ['-c', script, 'step', ...words], {
    encoding: 'utf8',
    env: { PATH: `${folder}/bin:/usr/bin:/bin` },
  });

const status = (...lines: string[]): string => `[ "$1" = status ] && { cat <<'X'
${lines.join('\n')}
X
exit; }`;
const other = 'nvidia/580.95.05, 6.1.0-29-amd64, x86_64: installed';

describe('the module is built', () => {
  it('where there is no DKMS, or nothing of NVIDIA in it', () => {
    expect(run(builtScript, '6.1.0-30-amd64').status).toBe(0);
    program('dkms', status('zfs/2.2.0, 6.1.0-30-amd64, x86_64: installed'));
    expect(run(builtScript, '6.1.0-30-amd64').status).toBe(0);
  });

  it('for that very kernel', () => {
    program('dkms', `${status(other, other.replace('29', '30'))}\ntouch ${folder}/built`);
    expect(run(builtScript, '6.1.0-30-amd64').status).toBe(0);
    expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('bin\n');
  });

  it('when it can be, where the installation skipped it', () => {
    program(
      'dkms',
      `[ "$1" = autoinstall ] && { echo "$*" >${folder}/asked; exit; }
[ -e ${folder}/asked ] || { echo '${other}'; exit; }
echo '${other.replace('29', '30')}'`,
    );
    expect(run(builtScript, '6.1.0-30-amd64').status).toBe(0);
    expect(execFileSync('cat', [`${folder}/asked`], { encoding: 'utf8' })).toBe('autoinstall -k 6.1.0-30-amd64\n');
  });

  it('not when it is for another kernel, or merely added', () => {
    for (const line of [other, 'nvidia/580.95.05: added', 'nvidia/580.95.05, 6.1.0-30-amd64, x86_64: built']) {
      program('dkms', `${status(line)}\necho 'Error! Your kernel headers cannot be found.'; exit 1`);
      const { status: code, stdout } = run(builtScript, '6.1.0-30-amd64');
      expect(code).toBe(65);
      expect(stdout).toContain('kernel headers cannot be found');
      expect(stdout).toContain(line);
    }
  });
});

test.each([
  [0, 0],
  [14, 0],
  [9, 9],
])('nvidia-smi that ends with %i', (code, means) => {
  program('nvidia-smi', `exit ${code}`);
  expect(run(answersScript).status).toBe(means);
});

test('no nvidia-smi is no answer', () => {
  expect(run(answersScript).status).toBe(127);
});

describe('a failed installation', () => {
  const said = (stderr: string) => driverFailed('gpu-1', '6.1.0-13-amd64')({ code: 100, stdout: '', stderr });

  it.each([
    'E: Unable to locate package linux-headers-6.1.0-13-amd64',
    "E: Package 'linux-headers-6.1.0-13-amd64' has no installation candidate",
    "E: Couldn't find any package by glob 'linux-modules-nvidia-580-server-open-6.8.0-31-generic'",
    'Error: Unable to find a match: kernel-devel-5.14.0-427.el9.x86_64',
    'No match for argument: kernel-devel-6.12.0-55.el10.x86_64',
  ])('for want of the headers says so: %s', (line) => {
    expect(said(`Reading package lists...\n${line}\n`)).toMatchObject({ id: 'nvidia.headers', exit: 'unready' });
  });

  it('for other reasons says what the package manager said', () => {
    expect(said('E: Unable to locate package nvidia-open')).toMatchObject({ id: 'nvidia.driver' });
    expect(said('E: Failed to fetch http://x/linux-headers-6.1.0.deb')).toMatchObject({ exit: 'network' });
  });
});
