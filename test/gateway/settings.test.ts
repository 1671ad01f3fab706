import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  noSettings,
  readSettings,
  type Settings,
  settingsText,
  withKey,
  withModels,
  withoutKey,
  withPeers,
  withWeights,
} from '../../src/gateway/settings.js';
import { testKey, testSettings } from './harness.js';

const blueGreen: Settings = testSettings([], {
  models: [
    {
      id: 'm',
      versions: [
        { name: 'blue', weight: 100, peers: [{ host: '127.0.0.1', port: 1 }] },
        { name: 'green', weight: 0, peers: [{ host: '127.0.0.1', port: 2 }] },
      ],
    },
    { id: 'other', versions: [{ name: 'blue', weight: 100, peers: [] }] },
  ],
});

describe('each change', () => {
  it('grows the revision by one and leaves what it started from alone', () => {
    const before = structuredClone(blueGreen);
    const changes = [
      withKey(blueGreen, testKey({ id: 'key_2' })),
      withoutKey(blueGreen, 'key_000000000001', 5),
      withModels(blueGreen, []),
      withWeights(blueGreen, 'm', { blue: 90, green: 10 }),
      withPeers(blueGreen, 'm', 'green', []),
    ];
    expect(changes.map(({ revision }) => revision)).toEqual([2, 2, 2, 2, 2]);
    expect(blueGreen).toEqual(before);
  });

  it('sets weights and peers of the named model alone', () => {
    const weighed = withWeights(blueGreen, 'm', { green: 25, blue: 75 });
    expect(weighed.models.map((model) => model.versions.map(({ weight }) => weight))).toEqual([[75, 25], [100]]);
    const moved = withPeers(blueGreen, 'm', 'green', [{ host: '10.0.0.1', port: 9 }]);
    expect(moved.models[0]!.versions[1]!.peers).toEqual([{ host: '10.0.0.1', port: 9 }]);
    expect(moved.models[1]).toEqual(blueGreen.models[1]);
  });

  it('keeps a revoked key in the list', () => {
    expect(withoutKey(blueGreen, 'key_000000000001', 5).keys).toEqual([testKey({ revokedAt: 5 })]);
  });
});

it('the document on disk reads back as it was', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), (name, revision) => {
      const settings = { ...withKey(noSettings, testKey({ name })), revision };
      expect(readSettings(settingsText(settings))).toEqual(settings);
    }),
  );
});
