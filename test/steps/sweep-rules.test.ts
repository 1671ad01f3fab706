/** What is swept out of iptables, by the script itself, in a network of its own: both of iptables' ways to the kernel. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweepRules } from '../../src/steps/at-node.js';

const tools = ['iptables', 'ip6tables'] as const;
const theirs = tools.flatMap((tool) => [
  `${tool} -P FORWARD DROP; ${tool} -N MINE; ${tool} -A INPUT -j MINE`,
  `${tool} -A MINE -p tcp --dport 22 -m comment --comment "let me in" -j ACCEPT`,
]);
const ours = tools.flatMap((tool) => [
  `for chain in KUBE-SERVICES KUBE-SVC-A KUBE-MARK; do ${tool} -t nat -N $chain; done`,
  `${tool} -t nat -A PREROUTING -m comment --comment "kubernetes \\"service\\" portals" -j KUBE-SERVICES`,
  `${tool} -t nat -A KUBE-SERVICES -j KUBE-SVC-A`,
  `${tool} -t nat -A KUBE-SVC-A -m statistic --mode random --probability 0.33333333349 -j KUBE-MARK`,
  `${tool} -N cali-INPUT; ${tool} -A cali-INPUT -j ACCEPT; ${tool} -A INPUT -m conntrack --ctstate NEW -j cali-INPUT`,
]);
/** Rules, chains of people's and what is done by default; tables that were used once are shown though they are empty. */
const show = `for tool in iptables ip6tables; do $tool-save | grep -E '^-A|^:.* - |DROP'; done`;
const inNetwork = (lines: readonly string[], path = process.env.PATH): string =>
  execFileSync('unshare', ['-n', 'sh', '-ec', lines.join('\n')], { encoding: 'utf8', env: { PATH: path } });

const works = (kind: string): boolean => {
  try {
    inNetwork(tools.map((tool) => `${tool}-${kind} -t nat -N A; ${tool}-${kind} -A INPUT -m conntrack --ctstate NEW`));
    return true;
  } catch {
    return false;
  }
};

for (const kind of ['nft', 'legacy'])
  describe.skipIf(!works(kind))(`iptables-${kind}`, () => {
    const parts = tools.flatMap((tool) => ['', '-save', '-restore'].map((part) => [tool, part] as const));
    let bin: string;
    beforeEach(() => {
      bin = mkdtempSync(`${tmpdir()}/dd-iptables-`);
      for (const [tool, part] of parts) put(`${tool}${part}`, `exec ${tool}-${kind}${part} "$@"`);
    });
    afterEach(() => rmSync(bin, { recursive: true, force: true }));
    const put = (name: string, script: string): void =>
      writeFileSync(`${bin}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const within = (...lines: readonly string[]): string => inNetwork(lines, `${bin}:${process.env.PATH}`);
    const sweep = sweepRules('KUBE-|FLANNEL-|cali-');

    it('what has the names goes, all else stays', () => {
      const left = within(...theirs, ...ours, sweep, show);
      expect(left).toBe(within(...theirs, show));
      expect(left).toContain('-A MINE -p tcp -m tcp --dport 22 -m comment --comment "let me in" -j ACCEPT');
    });

    it('what others change meanwhile stays too', () => {
      const each = `iptables-${kind} -I INPUT -s 192.0.2.$(wc -l <${bin}/reads) -j DROP`;
      put('iptables-save', `iptables-${kind}-save; echo >>${bin}/reads; ${each}`);
      const left = within(...theirs, ...ours, sweep, show).match(/192\.0\.2\./g);
      expect(left).toHaveLength(readFileSync(`${bin}/reads`).length - 1);
    });

    it('where nothing is, nothing is done', () => {
      expect(within(sweep, 'echo done')).toBe('done\n');
    });
  });
