/** A home on disk with a certificate of its own CA, gone after `remove`. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { caFile, issueCommand, ownFiles, tlsDirectory } from '../../src/gateway/tls.js';

const run = promisify(execFile);

export interface TlsHome {
  readonly home: string;
  /** A new certificate, by the CA that is there or a new one. */
  issue(names?: readonly string[]): Promise<void>;
  ca(): Promise<string>;
  certificate(): Promise<string>;
  remove(): Promise<void>;
}

const names = ['localhost', '127.0.0.1', '::1'];

export async function tlsHome(): Promise<TlsHome> {
  const home = await mkdtemp(join(tmpdir(), 'tls-'));
  await chmod(home, 0o755);
  await mkdir(tlsDirectory(home), { recursive: true, mode: 0o700 });
  return {
    home,
    async issue(wanted = names) {
      const random = crypto.getRandomValues(new Uint8Array(30));
      const [file, ...args] = issueCommand(home, wanted, 'tests', random).argv;
      await run(file, args);
    },
    ca: () => readFile(caFile(home), 'utf8'),
    certificate: () => readFile(ownFiles(home).certificate, 'utf8'),
    remove: () => rm(home, { recursive: true, force: true }),
  };
}
