import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/errors.js';
import { testCommand } from '../../src/gateway/files.js';
import { type NginxOptions, renderNginx, routes } from '../../src/gateway/nginx.js';
import type { BuildName } from './builds.js';
import { layOut, testSettings } from './harness.js';

const options: NginxOptions = {
  build: { version: [1, 22, 1], modules: ['/m/ndk.so', '/m/lua.so'] },
  listen: { host: '127.0.0.1', port: 8080 },
  admin: { host: '127.0.0.1', port: 8081 },
  workers: 2,
};

describe('renderNginx', () => {
  const conf = renderNginx(options);
  it('loads the modules of a distribution, none where they are built in', () => {
    expect(conf).toContain('load_module "/m/ndk.so";\nload_module "/m/lua.so";');
    expect(renderNginx({ ...options, build: { version: [1, 31, 1], modules: [] } })).not.toContain('load_module');
  });

  it('writes out what the two dialects would otherwise choose differently', () => {
    for (const line of ['proxy_http_version 1.1;', 'proxy_set_header Connection "";', 'keepalive 256;']) {
      expect(conf).toContain(line);
    }
  });

  it('keeps connections over a reload where nginx can: from 1.27.4 on', () => {
    const kept = (...version: [number, number, number]) =>
      renderNginx({ ...options, build: { ...options.build, version } }).includes('keepalive_min_timeout 5s;');
    expect([kept(1, 22, 1), kept(1, 26, 9), kept(1, 27, 3), kept(1, 27, 4), kept(1, 28, 0), kept(2, 0, 0)]).toEqual([
      ...[false, false, false],
      ...[true, true, true],
    ]);
  });

  it('sets all headers towards the engine in one place, so that none is lost by inheritance', () => {
    for (const part of conf.split(/^ {4}location /m).slice(1))
      expect(part.split('\n    }')[0]).not.toMatch(/set_header/);
  });

  it('retries a POST only by non_idempotent, and never what failed slowly', () => {
    expect(conf).toMatch(/proxy_next_upstream .*non_idempotent;/);
    expect(conf).toContain('proxy_next_upstream_timeout 2500ms;');
  });

  it('keeps whole bodies in memory', () => {
    const [, max] = /client_max_body_size (\d+);/.exec(conf)!;
    expect(conf).toContain(`client_body_buffer_size ${max};`);
  });

  it('keeps idle engine connections for less than uvicorn does', () => {
    expect(Number(/\n {4}keepalive_timeout (\d+)s;/.exec(conf)![1])).toBeLessThan(5);
  });

  it('has one location a route, and 404 for the rest', () => {
    for (const { location } of routes) expect(conf).toContain(`location ${location} {`);
    expect(conf).toContain('location / {\n      return 404;');
  });

  it('names an IPv6 address in brackets', () => {
    expect(renderNginx({ ...options, listen: { host: '::1', port: 1 } })).toContain('listen [::1]:1 ');
  });

  it('refuses a path that would break out of its quotes', () => {
    const build = { version: [1, 22, 1] as const, modules: ['/m/"; user root; "'] };
    expect(() => renderNginx({ ...options, build })).toThrow(UserError);
  });
});

describe.each<BuildName>(['debian', 'current'])('%s nginx', (nginx) => {
  it('accepts the configuration and complains about nothing', async () => {
    const plan = await layOut(testSettings([]), { nginx });
    try {
      const [file, ...args] = testCommand(plan).argv;
      const said = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', file, ...args], { encoding: 'utf8' });
      expect(said).toContain('test is successful');
      expect(said).not.toMatch(/\[(warn|error|alert|emerg)\]/);
    } finally {
      await rm(plan.directory, { recursive: true });
    }
  }, 120_000);
});
