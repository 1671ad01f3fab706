import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemProcesses } from '../../src/hosts/processes.js';
import { ask } from '../../src/supervisor/ask.js';

const server = createServer((request, response) => {
  const status = Number(request.url?.slice(1));
  if (status === 0) return;
  // A body without an end: the status alone is the answer.
  response.writeHead(status);
  response.flushHeaders();
});
let base = '';
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('ask', () => {
  it.each([200, 204, 299])('takes %i for a yes', async (status) => {
    expect(await ask(`${base}/${status}`, 2000)).toBeUndefined();
  });

  it.each([302, 404, 503])('takes %i for a no', async (status) => {
    expect(await ask(`${base}/${status}`, 2000)).toBe(`${base}/${status} answered ${status}`);
  });

  it('does not wait for ever', async () => {
    expect(await ask(`${base}/0`, 100)).toBe(`${base}/0 gave no answer within 100 ms`);
  });

  it('says why it was not let in', async () => {
    const url = `http://127.0.0.1:${await systemProcesses.freePort()}/`;
    expect(await ask(url, 2000)).toBe(`${url}: ECONNREFUSED`);
  });
});
