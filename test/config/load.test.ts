import { describe, expect, test } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { UserError } from '../../src/errors.js';

const problemsOf = async (work: () => unknown): Promise<readonly string[]> => {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error).toMatchObject({ id: 'config.invalid', exit: 'usage' });
    for (const detail of error.details) expect(detail.zh).toMatch(/[\u4e00-\u9fff]/);
    return error.details.map(({ en }) => en);
  }
  return [];
};

const problems = (text: string) => problemsOf(() => load(text, 'deepseek.yaml'));

describe('a file', () => {
  test('the least there can be gives the defaults, and says that nothing was set', async () => {
    const { config, given } = merge(await load('version: 1\n', 'deepseek.yaml'), []);
    const unbounded = {
      requestsPerMinute: 'none',
      tokensPerMinute: 'none',
      tokensPerDay: 'none',
      concurrent: 'none',
    };
    expect(config).toEqual({
      version: 1,
      name: 'default',
      target: 'local',
      model: { hub: 'huggingface' },
      engine: { threads: 'auto', sequences: 4, contextSize: 4096, queue: 64, protocol: 'http' },
      gateway: {
        host: '127.0.0.1',
        port: 8080,
        maxBodyBytes: 4 * 1024 * 1024,
        engineSilence: 600_000,
        keepAlive: 15_000,
        tls: { mode: 'off', names: [] },
        limits: { key: unbounded, tenant: unbounded, tenants: {}, perEngine: 'none', reserveTokens: 1024 },
        validation: { strict: false, status: 400 },
        audit: {
          onError: 'continue',
          content: false,
          contentBytes: 256 * 1024,
          streamTokens: true,
          rotateBytes: 64 * 1024 * 1024,
          rotateAfter: 86_400_000,
        },
        dns: { stale: 3_600_000 },
        redis: {
          ...{ nodes: [], cluster: false, database: 0, tls: { enabled: false } },
          ...{ timeout: 25, writeTimeout: 250, connections: 16 },
        },
        cache: {
          ...{ enabled: false, ttl: 3_600_000, stale: 86_400_000, embeddings: true, onlyOnRequest: false },
          ...{ memory: 64 * 1024 * 1024, largestAnswer: 1024 * 1024 },
        },
        breaker: {
          ...{ enabled: false, window: 10_000, minimum: 10, failureRate: 0.5 },
          ...{ open: 5000, longestOpen: 60_000, streamSilence: 60_000, answerSilence: 600_000 },
        },
        degrade: { otherVersion: true, smallerModels: {}, cachedAnswer: true },
        cloud: { models: {} },
        cors: { origins: [], maxAge: 600_000 },
        oauth: { audience: 'deepseek-api', ttl: 86_400_000 },
      },
      hosts: { machines: {}, parallel: 10, acceptNewHostKeys: false },
      kubernetes: {
        version: '1.36.4',
        podSubnet: '10.244.0.0/16',
        serviceSubnet: '10.96.0.0/12',
        network: 'flannel',
        proxyMode: 'iptables',
        docker: true,
        gpuLayer: 'device-plugin',
        driver: 'check',
        nvidiaDocker2: false,
        storage: 'auto',
        storageDevices: {},
        noProxy: [],
        allowCgroupV1: false,
      },
      mirrors: 'none',
      bundle: {},
    });
    expect([...given.keys()]).toEqual(['version']);
  });

  test('what it sets is there, with its place', async () => {
    const text =
      'version: 1\ngateway:\n  port: 9000\n  maxBodyBytes: 64KiB\nmodel: {id: demo, hub: "https://hub.example"}\n';
    const { config, given } = merge(await load(text, 'deepseek.yaml'), []);
    expect(config.gateway).toMatchObject({ host: '127.0.0.1', port: 9000, maxBodyBytes: 65_536 });
    expect(config.model).toEqual({ id: 'demo', hub: 'https://hub.example' });
    expect(given.get('gateway.port')).toEqual({ file: 'deepseek.yaml', line: 3, column: 3 });
    expect(given.has('gateway.host')).toBe(false);
  });

  test('a heading over comments alone is as good as none', async () => {
    expect(merge(await load('version: 1\nengine:\n  # threads: 3\n', 'f'), []).config.engine.threads).toBe('auto');
  });

  test('all problems come at once, in the order of the file, with line and column and what is allowed', async () => {
    const text = `version: 1
nmae: x
target: lcoal
gateway:
  port: 99999
  maxBodyBytes: 10
engine: {threads: 0, sequences: "4"}
model:
  id: demo
  file: x.gguf
`;
    expect(await problems(text)).toEqual([
      'deepseek.yaml:2:1 nmae: unknown key; allowed: version, name, target, model, engine, gateway, hosts, kubernetes, mirrors, bundle; did you mean name?',
      'deepseek.yaml:3:9 target: "lcoal" is not allowed here; allowed: one of local, kubernetes; did you mean local?',
      'deepseek.yaml:5:9 gateway.port: 99999 is not allowed here; allowed: a whole number from 1 to 65535',
      'deepseek.yaml:6:17 gateway.maxBodyBytes: 10 is not allowed here; allowed: a size such as 64KiB, 10MB or a number of bytes from 1KiB to 1GiB',
      'deepseek.yaml:7:19 engine.threads: 0 is not allowed here; allowed: auto, or a whole number from 1 to 1024',
      'deepseek.yaml:7:33 engine.sequences: "4" is text; take the quotes away',
      'deepseek.yaml:10:3 model.file: stands beside model.id; allowed: one of them',
    ]);
  });

  test.each([
    ['', 'deepseek.yaml:1:1: is empty; the least there can be: version: 1'],
    ['# nothing\n', 'deepseek.yaml:1:1: is empty; the least there can be: version: 1'],
    ['---\n', 'deepseek.yaml:1:4 version: is missing; allowed: 1'],
    ['- version: 1\n', /^deepseek.yaml:1:1: a list is not allowed here; allowed: a mapping with the keys version, /],
    ['text\n', /^deepseek.yaml:1:1: "text" is not allowed here/],
    ['name: x\n', 'deepseek.yaml:1:1 version: is missing; allowed: 1'],
    ['version: "1"\n', /^deepseek.yaml:1:10 version: "1" is not allowed here; allowed: 1/],
    ['version: 0\n', 'deepseek.yaml:1:10 version: 0 is not allowed here; allowed: 1'],
    ['version: 1\n---\nversion: 1\n', 'deepseek.yaml:2:1: only one document may be in the file; take the --- away'],
    ['version: 1\nname: a\nname: b\n', 'deepseek.yaml:3:1: this key is there twice; take one away'],
    ['version: 1\ngateway:\n\tport: 1\n', 'deepseek.yaml:3:1: a tab indents this line; YAML takes spaces only'],
    ['version: 1\nname: &n x\n', /^deepseek.yaml:2:10 name: anchors and aliases/],
    ['version: 1\nname: *n\n', /^deepseek.yaml:2:7 name: anchors and aliases/],
    ['version: 1\nname: !secret x\n', 'deepseek.yaml:2:7: tags (!) are not understood here'],
    ['version: 1\n[a]: x\n', /a key must be a word/],
    ['version: 1\nname: "x\n', /quote, bracket or comma is missing/],
    ['version: 1\nname: a: b\n', /there are two colons/],
    ['version: 1\nname: @x\n', /must stand in quotes/],
    ['version: 1\nname: 2024\n', 'deepseek.yaml:2:7 name: 2024 is not text; write "2024"'],
    ['version: 1\nname:\n', /^deepseek.yaml:2:6 name: is empty; allowed: up to 63/],
    ['version: 1\nname: -x\n', /^deepseek.yaml:2:7 name: "-x" is not allowed here/],
    ['version: 1\nname: {a: 1}\n', /a mapping is not allowed here/],
    ['version: 1\ngateway: {port: 80.5}\n', /80.5 is not allowed here/],
    ['version: 1\ngateway: {port: .nan}\n', /NaN is not allowed here/],
    ['version: 1\ngateway: {host: "a b"}\n', /allowed: an IP address or a host name/],
    ['version: 1\nmodel: {hub: "ftp://x"}\n', /allowed: one of huggingface, modelscope, or the address of a mirror/],
    [
      'version: 1\nmodel: {file: x.gguf, quantisation: Q8_0}\n',
      /^deepseek.yaml:2:23 model.quantisation: goes with a model of the catalogue/,
    ],
    ['version: 1\nmodel: {id: demo, quantisation: Q8_0}\n', /model.quantisation: goes with a model of the catalogue/],
    ['version: 1\n__proto__: {x: 1}\n', /__proto__: unknown key/],
    ['version: 1\nconstructor: 1\n', /constructor: unknown key/],
    ['\ufeffversion: 2\r\n', /made for a newer deepseek-deploy/],
  ])('%j', async (text, expected) => {
    const found = await problems(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  test('of a newer version only the version is told', async () => {
    expect(await problems('version: 2\nunheardOf: true\ngateway: 8080\n')).toEqual([
      'deepseek.yaml:1:10 version: was made for a newer deepseek-deploy (this one understands version 1); get it: npm install -g deepseek-deploy@latest',
    ]);
  });

  test('of very many problems fifty are shown', async () => {
    const found = await problems(`version: 1\n${Array.from({ length: 80 }, (_, i) => `wrong${i}xyz: 1`).join('\n')}\n`);
    expect(found).toHaveLength(51);
    expect(found.at(-1)).toBe('and 30 more');
  });

  test.each([
    ['brackets', `version: 1\nname: ${'['.repeat(20_000)}`],
    ['braces', `version: 1\nname: ${'{a: '.repeat(15_000)}`],
    ['dashes', `${'- '.repeat(30_000)}x`],
    ['question marks', `${'? '.repeat(30_000)}x`],
    [
      'aliases within aliases',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghij'.replace(/./g, (k) => `${k}: &${k} [${`*${String.fromCharCode(k.charCodeAt(0) - 1)},`.repeat(9)}]\n`)}version: 1\n`,
    ],
    ['indentation', Array.from({ length: 340 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['size', `version: 1\n# ${'x'.repeat(70_000)}\n`],
  ])('a bomb of %s is refused within a second', async (_, text) => {
    const start = performance.now();
    expect((await problems(text)).length).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('flags', () => {
  const file =
    'version: 1\nname: prod\ngateway: {port: 9000}\nmodel: {id: deepseek-r1-distill-qwen-7b, quantisation: Q8_0}\n';

  test('lie over the file; what was not given changes nothing', async () => {
    const { config, given } = merge(await load(file, 'f'), [
      { path: 'gateway.port', value: 7000, flag: '--port' },
      { path: 'name', value: undefined, flag: '--name' },
    ]);
    expect([config.gateway.port, config.name]).toEqual([7000, 'prod']);
    expect(given.get('gateway.port')).toEqual({ flag: '--port' });
  });

  test('stand alone without a file', () => {
    const { config, given } = merge(undefined, [{ path: 'model.id', value: 'demo', flag: '--model' }]);
    expect(config.model.id).toBe('demo');
    expect([...given.keys()]).toEqual(['model', 'model.id']);
  });

  test('a model from a flag takes the place of the model of the file', async () => {
    const draft = await load(file, 'f');
    expect(merge(draft, [{ path: 'model.file', value: 'a.gguf', flag: '--model-file' }]).config.model).toMatchObject({
      id: undefined,
      file: 'a.gguf',
    });
    expect(merge(draft, [{ path: 'model.id', value: 'demo', flag: '--model' }]).config.model.id).toBe('demo');
  });

  test('are checked like the file, and named in what is said', async () => {
    expect(
      await problemsOf(() =>
        merge(undefined, [
          { path: 'gateway.port', value: 0, flag: '--port' },
          { path: 'model.id', value: 'demo', flag: '--model' },
          { path: 'model.file', value: 'a.gguf', flag: '--model-file' },
        ]),
      ),
    ).toEqual([
      '--model-file: stands beside --model; allowed: one of them',
      '--port: 0 is not allowed here; allowed: a whole number from 1 to 65535',
    ]);
  });
});
