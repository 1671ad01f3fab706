import { describe, expect, it, test } from 'vitest';
import {
  configText,
  hasNvidia,
  hostsFiles,
  hostsText,
  isConfigured,
  nvidiaText,
} from '../../src/install/containerd.js';
import { readToml } from '../../src/probes/toml-lines.js';

const wish = { systemdCgroup: true, keepOomScore: false };
const dump = readToml(configText(wish));

describe('the configuration in effect', () => {
  it('is as wished when it says what we write, whichever quotes containerd prints', () => {
    expect(isConfigured(dump, wish)).toBe(true);
    expect(isConfigured(readToml(configText(wish).replaceAll("'", '"')), wish)).toBe(true);
  });

  it.each([
    ['CRI is off', (text: string) => text.replace('disabled_plugins = []', 'disabled_plugins = ["cri"]')],
    ['CRI is off, by its new name', (text: string) => text.replace('= []', "= ['io.containerd.grpc.v1.cri']")],
    ['another pause image', (text: string) => text.replace('pause:3.10.2', 'pause:3.8')],
    ['cgroupfs', (text: string) => text.replace('SystemdCgroup = true', 'SystemdCgroup = false')],
    ['no word about control groups', (text: string) => text.replace('SystemdCgroup = true', '')],
    [
      'registries elsewhere',
      (text: string) => text.replace("config_path = '/etc/containerd/certs.d'", "config_path = ''"),
    ],
    [
      'another runtime for all',
      (text: string) => text.replace("default_runtime_name = 'runc'", "default_runtime_name = 'nvidia'"),
    ],
    ['nothing', () => ''],
  ])('is not when there is %s', (_, change) => {
    const text = change(configText(wish));
    expect(text).not.toBe(configText(wish));
    expect(isConfigured(readToml(text), wish)).toBe(false);
  });

  it('has the runtime of GPUs only with its control groups', () => {
    expect(hasNvidia(dump, wish)).toBe(false);
    expect(hasNvidia(readToml(`${configText(wish)}${nvidiaText(wish)}`), wish)).toBe(true);
    expect(hasNvidia(readToml(nvidiaText({ ...wish, systemdCgroup: false })), wish)).toBe(false);
  });
});

test('mirrors are asked in order, the registry itself last', () => {
  expect(
    hostsText('docker.io', ['https://a.example', 'https://b.example:5000/hub']),
  ).toBe(`server = "https://registry-1.docker.io"

[host."https://a.example"]
  capabilities = ["pull", "resolve"]

[host."https://b.example:5000/v2/hub"]
  capabilities = ["pull", "resolve"]
  override_path = true
`);
  expect(
    hostsFiles({ registries: { 'ghcr.io': ['https://g.example'], 'quay.io': [] } }).map(({ path }) => path),
  ).toEqual(['/etc/containerd/certs.d/ghcr.io/hosts.toml']);
});
