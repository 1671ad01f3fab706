/** Programs that a deployment uses, as far as they are installed. */
import { type Probe, script } from './probe.js';
import { known } from './values.js';

export interface Tools {
  readonly nginx?: { readonly version?: string; readonly lua: boolean };
  readonly docker?: { readonly version?: string };
  readonly kubectl?: true;
  readonly helm?: true;
  readonly redis?: true;
  readonly openssh?: true;
  /** systemd is there and is process 1. */
  readonly systemd?: { readonly version?: string; readonly running: boolean };
  /** 'apt', 'dnf', 'yum', 'zypper', 'apk', 'pacman', 'brew'. */
  readonly packages?: string;
  readonly sudo?: true;
}

const toolsScript = `for t in nginx openresty docker kubectl helm redis-server ssh systemctl sudo apt-get dnf yum zypper apk pacman brew; do
  command -v "$t" >/dev/null 2>&1 && echo "has $t"
done
[ -d /run/systemd/system ] && echo "systemd running"
systemctl --version 2>/dev/null | head -n 1
docker --version 2>/dev/null
for n in nginx openresty /usr/sbin/nginx; do
  command -v "$n" >/dev/null 2>&1 || continue
  "$n" -V 2>&1 | sed -n 's/^nginx version: //p; s/.*\\(lua-nginx-module\\|ngx_lua\\|http-lua\\).*/lua built in/p'
  break
done
ls /usr/lib/nginx/modules/ngx_http_lua_module.so /usr/lib64/nginx/modules/ngx_http_lua_module.so \\
  /usr/share/nginx/modules/ngx_http_lua_module.so /etc/nginx/modules/ngx_http_lua_module.so 2>/dev/null
exit 0`;

const managers = ['apt-get', 'dnf', 'yum', 'zypper', 'apk', 'pacman', 'brew'];

export const tools: Probe<Tools | undefined> = {
  id: 'host.tools',
  command: script(toolsScript),
  read({ stdout }) {
    const has = (name: string): boolean => new RegExp(`^has ${name}$`, 'm').test(stdout);
    const versionIn = (match: RegExp): string | undefined => match.exec(stdout)?.[1];
    const web = versionIn(/^(?:nginx|openresty)\/([\d.]+)/m);
    const packages = managers.find(has)?.replace('apt-get', 'apt');
    const server = web !== undefined || has('nginx') || has('openresty');
    return known<Tools>({
      nginx: server
        ? { lua: /^lua built in$|ngx_http_lua_module\.so$|^openresty\//m.test(stdout), ...known({ version: web }) }
        : undefined,
      docker: has('docker') ? { ...known({ version: versionIn(/^Docker version ([\d.]+)/m) }) } : undefined,
      kubectl: has('kubectl') || undefined,
      helm: has('helm') || undefined,
      redis: has('redis-server') || undefined,
      openssh: has('ssh') || undefined,
      systemd: has('systemctl')
        ? { running: /^systemd running$/m.test(stdout), ...known({ version: versionIn(/^systemd (\d+)/m) }) }
        : undefined,
      packages,
      sudo: has('sudo') || undefined,
    } as Tools);
  },
};
