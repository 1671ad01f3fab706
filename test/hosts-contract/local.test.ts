import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { localHost } from '../../src/hosts/local.js';
import { contract } from './contract.js';

contract('this machine', async () => {
  const folder = mkdtempSync(`${tmpdir()}/dd-local-`);
  return {
    host: localHost,
    folder,
    real: true,
    root: userInfo().uid === 0,
    slack: 2000,
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
});
