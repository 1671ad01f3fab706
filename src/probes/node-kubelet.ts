/** What Kubernetes left on a host: the kubelet, /etc/kubernetes, the pod network. */
import { linesOf, type Question } from './node-sections.js';
import { pairs } from './probe.js';
import { known } from './values.js';

export interface Kubelet {
  /** The program is there. */
  readonly installed: boolean;
  readonly version?: string;
  readonly active: boolean;
  readonly enabled: boolean;
  readonly cgroupDriver?: string;
  readonly resolvConf?: string;
}

export const kubelet: Question<Kubelet> = {
  shell: `command -v kubelet >/dev/null && echo "version: $(kubelet --version)"
echo "active: $(systemctl is-active kubelet)"
echo "enabled: $(systemctl is-enabled kubelet)"
grep -E '^(cgroupDriver|resolvConf|failCgroupV1):' /var/lib/kubelet/config.yaml
echo asked`,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const said = pairs(text);
    return {
      installed: said.version !== undefined,
      active: said.active === 'active',
      enabled: said.enabled === 'enabled',
      ...known({
        version: /v(\d+\.\d+\.\d+)/.exec(said.version ?? '')?.[1],
        cgroupDriver: said.cgroupDriver,
        resolvConf: said.resolvConf,
      }),
    };
  },
};

export interface Membership {
  /** The host belongs, or belonged, to a cluster: a kubeconfig of the kubelet is there. */
  readonly joined: boolean;
  /** It is a control plane: there are manifests of an API server. */
  readonly controlPlane: boolean;
  /** SHA-256 of the cluster's CA certificate: names the cluster. */
  readonly ca?: string;
  /** The API server that the kubelet asks. */
  readonly server?: string;
  readonly etcdData: boolean;
  /** Files in /etc/kubernetes. */
  readonly files: readonly string[];
  /** Whether that API server answers `/readyz` (any status of HTTP counts) from here. */
  readonly answers?: boolean;
  /** We made what is here, or began to. */
  readonly ours: boolean;
}

const membershipShell = `cd /etc/kubernetes 2>/dev/null && find . -type f | sed 's/^\\.\\//file /' | head -n 60
for f in /etc/kubernetes/pki/ca.crt; do [ -r "$f" ] && echo "ca: $(sha256sum <"$f" | cut -d ' ' -f 1)"; done
server=$(sed -n 's/^ *server: *//p' /etc/kubernetes/kubelet.conf | head -n 1)
[ -n "$server" ] && echo "server: $server" && command -v curl >/dev/null && echo "answers: $(curl -ksS -m 4 -o /dev/null -w '%{http_code}' "$server/readyz")"
[ -d /var/lib/etcd/member ] && echo "etcd: yes"
[ -e /var/lib/deepseek-deploy/node ] && echo "ours: yes"
echo asked`;

export const membership: Question<Membership> = {
  shell: membershipShell,
  seconds: 8,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const files = [...text.matchAll(/^file (.+)$/gm)].map(([, name]) => name!);
    const said = pairs(text);
    return {
      files,
      joined: files.includes('kubelet.conf'),
      controlPlane: files.includes('manifests/kube-apiserver.yaml'),
      etcdData: said.etcd === 'yes',
      ours: said.ours === 'yes',
      ...known({
        ca: said.ca,
        server: said.server,
        answers: said.answers === undefined ? undefined : /^[1-5]\d\d$/.test(said.answers) && said.answers !== '000',
      }),
    };
  },
};

export interface Certificate {
  readonly file: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

export const certificates: Question<Certificate[]> = {
  shell: `command -v openssl >/dev/null || exit 127
for f in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /var/lib/kubelet/pki/kubelet-client-current.pem; do
  [ -r "$f" ] && echo "$f $(openssl x509 -noout -enddate -in "$f")"
done
exit 0`,
  read: ({ text, code }) =>
    code === 0
      ? [...text.matchAll(/^(\/\S+) notAfter=(.+)$/gm)].flatMap(([, file, date]) => {
          const expires = Date.parse(date!);
          return Number.isNaN(expires) ? [] : [{ file: file!, expires }];
        })
      : undefined,
};

export interface PodNetwork {
  /** Files of /etc/cni/net.d that the runtime reads, the first one first. */
  readonly configs: readonly string[];
  /** Types of the plugins that the first one names. */
  readonly wants: readonly string[];
  /** Programs in /opt/cni/bin. */
  readonly programs: readonly string[];
  /** /run/flannel/subnet.env is there. */
  readonly subnetEnv: boolean;
}

const podNetworkShell = `for f in /etc/cni/net.d/*.conf /etc/cni/net.d/*.conflist /etc/cni/net.d/*.json; do [ -e "$f" ] && echo "config \${f##*/}"; done
first=$(ls /etc/cni/net.d | grep -E '\\.(conf|conflist|json)$' | head -n 1)
[ -n "$first" ] && tr '{,' '\\n\\n' <"/etc/cni/net.d/$first" | sed -n 's/.*"type"[[:space:]]*:[[:space:]]*"\\([^"]*\\)".*/wants \\1/p'
ls /opt/cni/bin | sed 's/^/program /'
[ -e /run/flannel/subnet.env ] && echo "subnet"
echo asked`;

export const podNetwork: Question<PodNetwork> = {
  shell: podNetworkShell,
  read({ text }) {
    if (!/^asked$/m.test(text)) return undefined;
    const all = (what: string) => [...text.matchAll(new RegExp(`^${what} (.+)$`, 'gm'))].map(([, rest]) => rest!);
    // The types of address management (host-local) stand among the plugins: they are programs too.
    return {
      configs: all('config').sort(),
      wants: [...new Set(all('wants'))],
      programs: all('program'),
      subnetEnv: linesOf(text).includes('subnet'),
    };
  },
};
