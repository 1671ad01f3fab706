import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { systemClock } from '../../src/hosts/clock.js';
import { localFiles } from '../../src/hosts/files.js';
import { localHost } from '../../src/hosts/local.js';
import { remoteFiles } from '../../src/hosts/remote-files.js';
import { openSsh } from '../../src/hosts/ssh.js';
import { fakeWorld } from '../world/fake.js';
import { simulatedHost } from '../world/host.js';
import { filesContract } from './files.js';
import { sshdPath, startSshd } from './sshd.js';

const scratch = (): { folder: string; close(): Promise<void> } => {
  const folder = mkdtempSync(`${tmpdir()}/dd-files-`);
  return { folder, close: async () => rmSync(folder, { recursive: true, force: true }) };
};

const maySudo = (): boolean => {
  if (process.geteuid?.() === 0) return true;
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

filesContract('files of this machine', async () => ({ files: localFiles, ...scratch() }));

filesContract(
  'files of a host, by its commands',
  async () => ({ files: remoteFiles(localHost), ...scratch() }),
  !maySudo(),
);

filesContract(
  'files of a host behind ssh',
  async () => {
    const sshd = await startSshd();
    const ssh = openSsh(sshd.settings, process.env);
    const { folder, close } = scratch();
    return {
      files: ssh.host(sshd.target).files,
      folder,
      async close() {
        await ssh.close();
        await sshd.close();
        await close();
      },
    };
  },
  sshdPath === undefined || !maySudo(),
);

filesContract('files in memory', async () => {
  const { files } = fakeWorld();
  await files.makeDir('/work');
  return { files, folder: '/work', close: async () => {} };
});

filesContract('files of a simulated host', async () => {
  const host = simulatedHost({ clock: systemClock, programs: {} });
  return { files: host.files, folder: '/tmp', close: async () => {} };
});
