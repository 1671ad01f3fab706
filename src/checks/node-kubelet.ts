/** The kubelet, and what an earlier cluster left on a host. */
import { say } from '../say.js';
import { listed, type NodeCheck, nodeCheck, type Patient } from './node-check.js';

const quoted = (line: string | undefined): string => (line ? `: "${line.slice(0, 160)}"` : '');

const running = nodeCheck<Patient>(
  'kubelet.running',
  'fail',
  say('The kubelet runs', 'kubelet 正在运行'),
  (patient) => {
    const { kubelet } = patient.facts;
    // It restarts in vain until `kubeadm init` or `join`: no fault.
    if (patient.phase !== 'after') return patient.phase === undefined ? undefined : 'aside';
    if (kubelet === undefined) return undefined;
    if (!kubelet.active) {
      const line = patient.facts.journal
        ?.filter((one) => one.startsWith('kubelet: '))
        .at(-1)
        ?.slice('kubelet: '.length);
      return {
        found: say(
          `The kubelet does not run${quoted(line)}`,
          `kubelet 未运行${line ? `：“${line.slice(0, 160)}”` : ''}`,
        ),
        hint: say(
          'journalctl -u kubelet -n 50 says why; swap, cgroups and an expired certificate are the usual reasons. Then: systemctl restart kubelet',
          '执行 journalctl -u kubelet -n 50 查看原因，常见为交换分区、cgroup 或证书过期；然后 systemctl restart kubelet',
        ),
      };
    }
    if (kubelet.enabled) return 'well';
    return {
      severity: 'warn',
      found: say('The kubelet does not start at boot', 'kubelet 未设置开机启动'),
      hint: say('systemctl enable kubelet', 'systemctl enable kubelet'),
    };
  },
);

const trusted = nodeCheck<Patient>(
  'kubelet.trust',
  'fail',
  say('Kubelet and API server trust each other', 'kubelet 与 API 服务器互信'),
  (patient) => {
    if (patient.facts.journal === undefined) return undefined;
    // A registry's certificate is another matter.
    const said = (match: RegExp) =>
      patient.facts.journal?.find(
        (line) => match.test(line) && /^kubelet: /.test(line) && !/[Ii]mage|[Pp]ull|registry/.test(line),
      );
    const expired = said(/certificate has expired or is not yet valid/);
    if (expired)
      return {
        found: say(
          `A certificate is out of its time${quoted(expired)}`,
          `证书不在有效期内：“${expired.slice(0, 160)}”`,
        ),
        hint: say(
          'Compare the clocks first (date on both hosts; chronyc makestep). If they agree: kubeadm certs renew all on the control plane, or join the worker again with a fresh token.',
          '请先比较时钟（在两台主机上执行 date；chronyc makestep）。若一致：在控制平面执行 kubeadm certs renew all，或用新令牌重新加入该节点。',
        ),
      };
    const wrongCa = said(/identity of the API Server|certificate signed by unknown authority/);
    if (wrongCa)
      return {
        found: say(
          `The API server shows another cluster's certificate${quoted(wrongCa)}`,
          `API 服务器的证书属于另一集群：“${wrongCa.slice(0, 160)}”`,
        ),
        hint: say(
          'Token, CA hash and address must be of one cluster: kubeadm token create --print-join-command on the control plane; leftovers of an older one: kubeadm reset. A proxy between them does it too (NO_PROXY).',
          '令牌、CA 哈希与地址必须属于同一集群：在控制平面执行 kubeadm token create --print-join-command；旧集群残留：kubeadm reset。中间的代理也会导致此问题（NO_PROXY）。',
        ),
      };
    return 'well';
  },
);

const day = 86_400_000;

const certificates = nodeCheck<Patient>(
  'kubelet.certificates',
  'fail',
  say('Its certificates are valid', '证书有效'),
  ({ facts, survey }) => {
    if (facts.certificates === undefined || facts.certificates.length === 0)
      return facts.certificates ? 'aside' : undefined;
    const soonest = [...facts.certificates].sort((a, b) => a.expires - b.expires)[0]!;
    const left = Math.floor((soonest.expires - survey.now) / day);
    if (left >= 30) return 'well';
    const date = new Date(soonest.expires).toISOString().slice(0, 10);
    return {
      ...(left < 0 ? {} : { severity: 'warn' as const }),
      found:
        left < 0
          ? say(`${soonest.file} ran out on ${date}`, `${soonest.file} 已于 ${date} 过期`)
          : say(
              `${soonest.file} runs out on ${date}, in ${left} days`,
              `${soonest.file} 将于 ${date} 过期（剩余 ${left} 天）`,
            ),
      hint: say(
        'On the control plane: kubeadm certs renew all, then restart its pods (move the files of /etc/kubernetes/manifests away for 20 s). An upgrade renews them too.',
        '在控制平面执行 kubeadm certs renew all，然后重启其 Pod（将 /etc/kubernetes/manifests 中的文件移出 20 秒）。升级也会续期。',
      ),
    };
  },
);

/** Links that a pod network leaves when its cluster goes. */
const madeByNetworks = /^(cni0|flannel\.1|vxlan\.calico|cilium_\w+|kube-ipvs0)$/;

const leftovers = nodeCheck<Patient>(
  'host.leftovers',
  'fail',
  say('Nothing of another cluster is left', '没有其他集群的残留'),
  (patient) => {
    const { membership, podNetwork } = patient.facts;
    if (membership === undefined) return undefined;
    const hint = say(
      'If nobody needs that cluster: kubeadm reset -f, rm -rf /etc/cni/net.d /var/lib/etcd ~/.kube/config, ip link del cni0 and flannel.1, then reboot. Nothing here does that by itself.',
      '若该集群已不再需要：执行 kubeadm reset -f，rm -rf /etc/cni/net.d /var/lib/etcd ~/.kube/config，用 ip link del 删除 cni0 与 flannel.1，然后重启。本程序不会自动执行。',
    );
    if (membership.ours) return 'well';
    if (membership.joined) {
      const { server = '?', controlPlane, answers } = membership;
      if (patient.survey.install)
        return {
          hint,
          found: say(
            `It belongs to a cluster that was not made from here (${server})`,
            `该主机属于并非由本工具创建的集群（${server}）`,
          ),
        };
      if (controlPlane || answers !== false) return 'well';
      return {
        hint,
        found: say(
          `It belongs to a cluster whose API server (${server}) does not answer`,
          `该主机属于一个 API 服务器（${server}）无响应的集群`,
        ),
      };
    }
    const old = [
      ...membership.files
        .filter((name) => /\.conf$|^pki\/ca\.crt$|^manifests\//.test(name))
        .map((name) => `/etc/kubernetes/${name}`),
      ...(membership.etcdData ? ['/var/lib/etcd/member'] : []),
    ];
    if (old.length > 0) {
      const { en, zh } = listed(old.slice(0, 4));
      return { hint, found: say(`Left by another cluster: ${en}`, `其他集群的残留：${zh}`) };
    }
    if (podNetwork === undefined || patient.facts.links === undefined) return undefined;
    const network = [
      ...podNetwork.configs.filter((name) => !/podman|crio/.test(name)).map((name) => `/etc/cni/net.d/${name}`),
      ...patient.facts.links.map(({ name }) => name).filter((name) => madeByNetworks.test(name)),
    ];
    if (network.length === 0) return 'well';
    const { en, zh } = listed(network);
    return { hint, severity: 'warn', found: say(`Left by another pod network: ${en}`, `其他 Pod 网络的残留：${zh}`) };
  },
);

const rook = nodeCheck<Patient>(
  'host.ceph-leftovers',
  'fail',
  say('Its disks belong to no Ceph cluster of old', '磁盘上没有旧 Ceph 集群的残留'),
  ({ facts, roles, phase }) => {
    if (!roles.includes('storage')) return 'aside';
    if (facts.leftovers === undefined || phase === undefined) return undefined;
    const { ceph, rook: folder } = facts.leftovers;
    if (phase === 'after' || (ceph.length === 0 && !folder)) return 'well';
    const { en, zh } = listed([...ceph.map((name) => `/dev/${name}`), ...(folder ? ['/var/lib/rook'] : [])]);
    return {
      found: say(
        `Left by another Ceph cluster: ${en}; its disks will not be taken ("OSD was configured for a different cluster")`,
        `其他 Ceph 集群的残留：${zh}；这些磁盘不会被使用（“OSD was configured for a different cluster”）`,
      ),
      hint: say(
        'Only when nobody needs what is on them: rm -rf /var/lib/rook; sgdisk --zap-all DISK; wipefs -a DISK; dd if=/dev/zero of=DISK bs=1M count=100',
        '仅在数据不再需要时执行：rm -rf /var/lib/rook；sgdisk --zap-all 磁盘；wipefs -a 磁盘；dd if=/dev/zero of=磁盘 bs=1M count=100',
      ),
    };
  },
);

export const kubeletChecks: readonly NodeCheck<Patient>[] = [leftovers, rook, running, trusted, certificates];
