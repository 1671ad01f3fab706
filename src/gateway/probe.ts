/** Which nginx on this machine can carry the gateway: OpenResty first, else the distribution's with its Lua module. */
import type { Command } from '../command.js';
import { say, type Text } from '../say.js';
import type { NginxBuild } from './nginx.js';

export type NginxFound =
  | {
      readonly usable: true;
      readonly build: NginxBuild;
      /** Whom workers run as when the master is root. */
      readonly workerUser: { readonly user: string; readonly group: string };
    }
  | { readonly usable: false; readonly why: Text };

/** Oldest nginx whose directives the renderer writes, and which the tests run on. */
const oldest = [1, 18, 0] as const;

const script = `
for bin in /usr/local/openresty/nginx/sbin/nginx /usr/local/openresty/bin/openresty "$(command -v openresty)" "$(command -v nginx)" /usr/sbin/nginx /usr/local/sbin/nginx; do
  [ -n "$bin" ] && [ -x "$bin" ] || continue
  echo "nginx=$bin"
  "$bin" -V 2>&1 | sed -n 's/^nginx version: [a-z]*\\//version=/p; s/^configure arguments:/arguments=/p'
done
for dir in /usr/lib/nginx/modules /usr/lib64/nginx/modules /usr/share/nginx/modules /usr/local/nginx/modules; do
  for name in ndk_http_module ngx_http_lua_module; do
    [ -e "$dir/$name.so" ] && echo "module=$dir/$name.so"
  done
done
for file in /usr/lib/*/lua/5.1/cjson.so /usr/lib/lua/5.1/cjson.so /usr/lib64/lua/5.1/cjson.so /usr/local/lib/lua/5.1/cjson.so /usr/local/openresty/lualib/cjson.so; do
  [ -e "$file" ] && echo "cjson=$file"
done
for group in nogroup nobody; do
  getent group $group >/dev/null 2>&1 && echo "group=$group"
done
exit 0
`;

interface Lines {
  readonly nginx: readonly { path: string; version: string; args: string }[];
  readonly modules: readonly string[];
  readonly cjson: readonly string[];
  readonly groups: readonly string[];
}

function sort(stdout: string): Lines {
  const pairs = stdout.split('\n').map((line) => /^(\w+)=(.*)$/.exec(line)?.slice(1) ?? ['', '']);
  const all = (name: string) => pairs.filter(([key]) => key === name).map(([, value]) => value!);
  const nginx: { path: string; version: string; args: string }[] = [];
  for (const [key, value] of pairs) {
    if (key === 'nginx') nginx.push({ path: value!, version: '', args: '' });
    const last = nginx.at(-1);
    if (last && key === 'version') last.version = value!;
    if (last && key === 'arguments') last.args = value!;
  }
  return { nginx, modules: all('module'), cjson: all('cjson'), groups: all('group') };
}

const numbers = (version: string): [number, number, number] => {
  const [a = 0, b = 0, c = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return [a, b, c];
};

const older = (a: readonly number[], b: readonly number[]): boolean => {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at >= 0 && a[at]! < b[at]!;
};

const no = (en: string, zh: string): NginxFound => ({ usable: false, why: say(en, zh) });

/** The two modules from one folder, in the order nginx needs them. */
function modulesOf(lines: Lines): readonly string[] | undefined {
  const lua = lines.modules.find((path) => path.endsWith('/ngx_http_lua_module.so'));
  const ndk = lua?.replace(/[^/]+$/, 'ndk_http_module.so');
  return lua && ndk && lines.modules.includes(ndk) ? [ndk, lua] : undefined;
}

export function readNginx(stdout: string): NginxFound {
  const lines = sort(stdout);
  const builtIn = lines.nginx.find((one) => /--add-module=\S*ngx_lua/.test(one.args));
  const chosen = builtIn ?? lines.nginx[0];
  if (!chosen) return no('nginx is not installed', '没有安装 nginx');
  const version = numbers(chosen.version);
  const modules = builtIn ? [] : modulesOf(lines);
  if (older(version, oldest)) {
    return no(`nginx ${chosen.version} is too old: 1.18 is needed`, `nginx ${chosen.version} 太旧，至少需要 1.18`);
  }
  if (!modules) return no('nginx has no Lua module', 'nginx 没有 Lua 模块');
  if (!builtIn && lines.cjson.length === 0) return no('the Lua module cjson is missing', '缺少 Lua 模块 cjson');
  const build: NginxBuild = { command: [chosen.path], version, modules };
  return { usable: true, build, workerUser: { user: 'nobody', group: lines.groups[0] ?? 'nobody' } };
}

export const nginxProbe: { readonly command: Command; readonly read: (stdout: string) => NginxFound } = {
  command: { argv: ['sh', '-c', script], timeoutMs: 10_000 },
  read: readNginx,
};
