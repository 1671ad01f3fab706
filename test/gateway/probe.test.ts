import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { nginxProbe, readNginx } from '../../src/gateway/probe.js';

const debian = [
  'nginx=/usr/sbin/nginx',
  'version=1.22.1',
  'arguments= --prefix=/usr/share/nginx --with-compat',
  'module=/usr/lib/nginx/modules/ndk_http_module.so',
  'module=/usr/lib/nginx/modules/ngx_http_lua_module.so',
  'cjson=/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so',
  'group=nogroup',
];
const without = (word: string) => debian.filter((line) => !line.includes(word)).join('\n');

describe('readNginx', () => {
  it('takes the distribution’s nginx with its modules in order', () => {
    expect(readNginx(debian.join('\n'))).toEqual({
      usable: true,
      build: {
        command: ['/usr/sbin/nginx'],
        version: [1, 22, 1],
        modules: ['/usr/lib/nginx/modules/ndk_http_module.so', '/usr/lib/nginx/modules/ngx_http_lua_module.so'],
      },
      workerUser: { user: 'nobody', group: 'nogroup' },
    });
  });

  it('prefers OpenResty, which needs no module', () => {
    const resty = ['nginx=/usr/local/openresty/nginx/sbin/nginx', 'version=1.31.1.1'];
    const args = 'arguments= --add-module=../ngx_devel_kit-0.3.4 --add-module=../ngx_lua-0.10.31rc5';
    expect(readNginx([...debian, ...resty, args].join('\n'))).toMatchObject({
      build: { command: ['/usr/local/openresty/nginx/sbin/nginx'], version: [1, 31, 1], modules: [] },
    });
  });

  it.each([
    ['', 'nginx is not installed'],
    [without('ngx_http_lua'), 'nginx has no Lua module'],
    [without('ndk_'), 'nginx has no Lua module'],
    [without('cjson'), 'the Lua module cjson is missing'],
    [debian.join('\n').replace('1.22.1', '1.14.2'), 'nginx 1.14.2 is too old: 1.18 is needed'],
  ])('says why not', (stdout, why) => {
    expect(readNginx(stdout)).toMatchObject({ usable: false, why: { en: why } });
  });
});

it('finds what this machine has', () => {
  const [file, ...args] = nginxProbe.command.argv;
  expect(nginxProbe.read(execFileSync(file, args, { encoding: 'utf8' }))).toMatchObject({ usable: true });
});
