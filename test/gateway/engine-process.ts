/** A test engine in a process of its own, to be killed: its first line of output is its port, then the ids it sees. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Peer } from '../../src/gateway/settings.js';
import { answer, type Behaviour, sleep, startEngine, stream } from './engine.js';

/** Some work: a stream of 200 ms, an answer after 10 ms. */
export const busy: Behaviour = async (request, response, socket) => {
  if (request.body.includes('"stream":true')) return stream(10, 20)(request, response, socket);
  await sleep(10);
  return answer(request, response, socket);
};

export interface EngineProcess {
  readonly peer: Peer;
  /** Ids of requests that it has seen, also after it was killed. */
  readonly seen: ReadonlySet<string>;
  kill(): Promise<void>;
}

export async function startEngineProcess(): Promise<EngineProcess> {
  const args = ['--import', 'tsx', fileURLToPath(import.meta.url)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise<void>((done) => child.once('close', () => done()));
  const seen = new Set<string>();
  const port = await new Promise<number>((done) => {
    createInterface(child.stdout).on('line', (line) => {
      if (/^\d+$/.test(line)) done(Number(line));
      else seen.add(line);
    });
  });
  return {
    peer: { host: '127.0.0.1', port },
    seen,
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

if (process.argv[1]?.endsWith('engine-process.ts')) {
  const engine = await startEngine((request, response, socket) => {
    process.stdout.write(`${request.headers['x-request-id']}\n`);
    return busy(request, response, socket);
  });
  process.stdout.write(`${engine.peer.port}\n`);
}
