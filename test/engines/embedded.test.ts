import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/embedded/config.js';
import { type EngineConfig, engineCommand, engineConfig, engineReadyUrl } from '../../src/engines/embedded.js';

const config: EngineConfig = {
  host: '127.0.0.1',
  port: 8001,
  runtime: '/c/runtime/x',
  model: { id: 'demo', file: '/h/model.gguf' },
  keyFile: '/h/engine/key',
  threads: 'auto',
  sequences: 4,
  contextSize: 4096,
  queue: 64,
  drainSeconds: 30,
};

describe('the embedded engine from outside', () => {
  it('reads what we write for it', () => {
    expect(readConfig(engineConfig(config))).toEqual(config);
  });

  it('is one node process with its configuration in a file', () => {
    const places = { home: '/h', cache: '/c', package: '/p', node: '/n' };
    expect(engineCommand(places, '/h/engine.json').argv).toEqual([
      '/n',
      '/p/dist/engine.js',
      '--config',
      '/h/engine.json',
    ]);
  });

  it('is asked on its own address, IPv6 too', () => {
    expect(engineReadyUrl(config)).toBe('http://127.0.0.1:8001/health');
    expect(engineReadyUrl({ host: '::1', port: 1 })).toBe('http://[::1]:1/health');
  });

  it('names every field that is missing, wrong or unknown', () => {
    const wrong = { ...config, port: 70_000, threads: 0, modle: 1, model: { id: '' }, drainSeconds: undefined };
    expect(() => readConfig(JSON.stringify(wrong))).toThrow(
      /port must be.*threads must be.*model.id must be.*model.file must be.*modle is not known/,
    );
    expect(() => readConfig('[]')).toThrow();
    expect(() => readConfig('{')).toThrow();
  });
});
