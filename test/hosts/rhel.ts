/** Hosts whose package manager is dnf, told what a Rocky Linux of theirs would be told. */
import type { Host } from '../../src/world.js';
import { sh } from '../hosts-contract/contract.js';

/** As root; what it printed. @throws Error with what it said where it failed */
export async function must(host: Host, script: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run({ ...sh(script, ...words), sudo: true, timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`${code}: ${stdout}${stderr}`);
  return stdout.trim();
}

// $1: the mirror.
const systemScript = `for id in here appstream; do
  printf '[%s]\\nname=%s\\nbaseurl=%s\\ngpgcheck=1\\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-Rocky-9\\n' $id $id "$1/$id"
done >/etc/yum.repos.d/rocky.repo
systemctl enable -q --now firewalld`;

/** The repositories of the system itself, and firewalld, which RHEL starts from its first boot. */
export const asRocky = (host: Host, mirror: string): Promise<string> => must(host, systemScript, mirror);

/** One major release later: to dnf, and to whoever asks /etc/os-release. */
export const asRocky10 = (host: Host, mirror: string): Promise<string> =>
  must(
    host,
    'curl -fsS --max-time 20 --retry 3 -o /root/release.rpm "$1" && rpm -U --nosignature /root/release.rpm',
    `${mirror}/ten/rocky-release-10.1-1.el10.x86_64.rpm`,
  );
