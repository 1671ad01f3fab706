import { mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { openSsh } from '../../src/hosts/ssh.js';
import { contract } from './contract.js';
import { sshdPath, startSshd } from './sshd.js';

contract(
  sshdPath ? 'a host behind ssh' : 'a host behind ssh (skipped: there is no sshd; apt-get install openssh-server)',
  async () => {
    const sshd = await startSshd();
    const ssh = openSsh(sshd.settings, process.env);
    const folder = `${sshd.folder}/work`;
    mkdirSync(folder);
    return {
      host: ssh.host(sshd.target),
      folder,
      real: true,
      root: userInfo().uid === 0,
      slack: 3000,
      async close() {
        await ssh.close();
        await sshd.close();
      },
    };
  },
  sshdPath === undefined,
);
