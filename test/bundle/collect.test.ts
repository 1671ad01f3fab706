/** Manifests of others are taken by their pinned hash alone. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fetchPinned } from '../../src/bundle/collect.js';
import { http } from '../../src/hosts/http.js';
import { HubServer, sha256 } from '../models/hub-server.js';
import { fakeWorld } from '../world/fake.js';

let hub: HubServer;
beforeAll(async () => {
  hub = await HubServer.start();
  hub.answer = (_, response) => response.writeHead(200).end('kind: List\n');
});
afterAll(() => hub.close());

it('as it was pinned it is taken, any other is refused', async () => {
  const world = { ...fakeWorld(), http: http({}) };
  const get = (text: string) => fetchPinned({ path: 'a.yaml', sha256: sha256(Buffer.from(text)) }, hub.url, world);
  expect(await get('kind: List\n')).toBe('kind: List\n');
  await expect(get('kind: Pod\n')).rejects.toMatchObject({ id: 'manifest.fetch', exit: 'network' });
});
