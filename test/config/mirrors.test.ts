import { describe, expect, test } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { type RepositoryName, sourcesOf } from '../../src/install/sources.js';

const sources = async (text: string) =>
  sourcesOf(merge(await load(`version: 1\n${text}`, 'deepseek.yaml'), []).config.mirrors);

const problems = async (text: string): Promise<string[]> =>
  load(`version: 1\n${text}`, 'deepseek.yaml').then(
    () => [],
    (thrown: { details: { en: string }[] }) => thrown.details.map(({ en }) => en),
  );

describe('where things come from', () => {
  test('nothing said: from their authors', async () => {
    const { packages, registries, manifests, keys } = await sources('');
    expect(packages).toEqual({
      docker: 'https://download.docker.com',
      kubernetes: 'https://pkgs.k8s.io/core:/stable:',
      toolkit: 'https://nvidia.github.io/libnvidia-container',
      driver: 'https://developer.download.nvidia.com/compute/cuda/repos',
    });
    expect({ registries, keys, manifests }).toEqual({
      registries: {},
      keys: {},
      manifests: 'https://raw.githubusercontent.com',
    });
  });

  test('mirrors: cn names no address outside of mainland China', async () => {
    const { packages, registries, manifests } = await sources('mirrors: cn');
    const all = [...Object.values(packages), ...Object.values(registries).flat(), manifests];
    for (const address of all)
      expect(new URL(address).hostname).toMatch(/\.aliyun\.com$|\.ustc\.edu\.cn$|\.daocloud\.io$|\.nvidia\.cn$/);
    expect(Object.keys(registries).sort()).toEqual([
      'docker.io',
      'gcr.io',
      'ghcr.io',
      'nvcr.io',
      'quay.io',
      'registry.k8s.io',
    ]);
  });

  test.each<RepositoryName>(['docker', 'kubernetes', 'toolkit', 'driver'])(
    'the address of %s is replaced',
    async (name) => {
      const { packages } = await sources(`mirrors: {preset: cn, ${name}: "http://mirror.example/x/"}`);
      const { packages: preset } = await sources('mirrors: cn');
      expect(packages).toEqual({ ...preset, [name]: 'http://mirror.example/x' });
    },
  );

  test('registries, manifests and keys are replaced one by one', async () => {
    const { registries, manifests, keys } = await sources(`mirrors:
  preset: cn
  manifests: https://files.example/
  registries: {registry.k8s.io: [https://a.example/, https://b.example/k8s], "own.example:5000": []}
  keys: {docker: ${'A'.repeat(40)}}
`);
    expect(manifests).toBe('https://files.example');
    expect(keys).toEqual({ docker: 'A'.repeat(40) });
    expect(registries['registry.k8s.io']).toEqual(['https://a.example', 'https://b.example/k8s']);
    expect(registries['own.example:5000']).toEqual([]);
    expect(registries['docker.io']).toEqual(['https://docker.m.daocloud.io']);
  });

  test.each([
    'mirrors: us',
    'mirrors: {docker: ftp://x}',
    'mirrors: {dockr: https://x}',
    'mirrors: {keys: {docker: abc}}',
  ])('%s is refused', async (text) => {
    expect((await problems(text))[0]).toMatch(/mirrors.*(not allowed|unknown)/);
  });
});
