/** The way out of a network that lets hosts reach others through a proxy only. */
import type { Supply } from '../command.js';
import type { Kubernetes } from '../config/kubernetes.js';

export const dropIn = (unit: string): string => `/etc/systemd/system/${unit}.service.d/deepseek-deploy-proxy.conf`;

/** What must never go through it: the hosts themselves, pods and services. */
const direct = (settings: Kubernetes, addresses: readonly string[]): readonly string[] => [
  'localhost',
  '127.0.0.1',
  ...addresses,
  settings.podSubnet,
  settings.serviceSubnet,
  '.svc',
  '.cluster.local',
  ...settings.noProxy,
];

export type Env = Readonly<Record<string, string | Supply>>;

/**
 * Of a command that goes out; empty without a proxy. Both spellings: curl reads the small one alone. The address may
 * hold a password: it is shown as its name.
 */
export function proxyEnv(settings: Kubernetes, addresses: readonly string[]): Env {
  if (settings.proxy === undefined) return {};
  const address = settings.proxy;
  const proxy: Supply = { name: 'proxy', get: async () => address };
  const names = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: direct(settings, addresses).join(',') };
  return { ...names, ...Object.fromEntries(Object.entries(names).map(([name, value]) => [name.toLowerCase(), value])) };
}

/** In a unit's file % begins a specifier, and a quoted word ends at its quote. */
const escaped = (value: string): string => value.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%');

/** For a service that goes out; undefined without a proxy. */
export function dropInText(settings: Kubernetes, addresses: readonly string[]): string | undefined {
  if (settings.proxy === undefined) return undefined;
  const address = settings.proxy;
  const pairs = { HTTP_PROXY: address, HTTPS_PROXY: address, NO_PROXY: direct(settings, addresses).join(',') };
  const lines = Object.entries(pairs).map(([name, value]) => `Environment="${name}=${escaped(value)}"`);
  return `# Written by deepseek-deploy.\n[Service]\n${lines.join('\n')}\n`;
}
