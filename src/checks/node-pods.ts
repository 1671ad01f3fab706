/** The pod network, as far as a host shows it. */
import { say } from '../say.js';
import { listed, type NodeCheck, nodeCheck, type Patient } from './node-check.js';

const said = ({ facts }: Patient, match: RegExp): string | undefined => facts.journal?.find((line) => match.test(line));

const cniPrograms = nodeCheck<Patient>(
  'cni.plugins',
  'fail',
  say('The programs of the pod network are there', 'Pod 网络插件程序齐全'),
  (patient) => {
    const { podNetwork: net } = patient.facts;
    if (net === undefined || patient.phase === undefined) return undefined;
    if (patient.phase === 'before') return 'aside';
    const line = said(patient, /failed to find plugin "(\w[\w-]*)"/);
    const [, named] = /failed to find plugin "([\w-]+)"/.exec(line ?? '') ?? [];
    // flannel's image brings `flannel` alone; its configuration calls portmap and bridge.
    const wanted = [
      ...new Set([...net.wants, 'loopback', 'bridge', 'host-local', 'portmap', ...(named ? [named] : [])]),
    ];
    const missing = wanted.filter(
      (name) => !net.programs.includes(name) && !(patient.phase === 'during' && name === 'flannel'),
    );
    if (missing.length === 0) return 'well';
    const { en, zh } = listed(missing);
    return {
      byInit: true,
      found: say(
        `/opt/cni/bin lacks ${en}: "failed to find plugin"`,
        `/opt/cni/bin 缺少 ${zh}：“failed to find plugin”`,
      ),
      hint: say(
        'apt-get install kubernetes-cni (the kubelet package brings it), or unpack cni-plugins into /opt/cni/bin; and see that containerd looks there (bin_dir).',
        '执行 apt-get install kubernetes-cni（kubelet 软件包会附带），或将 cni-plugins 解压到 /opt/cni/bin；并确认 containerd 使用该目录（bin_dir）。',
      ),
    };
  },
);

const cniConfig = nodeCheck<Patient>(
  'cni.config',
  'fail',
  say('One pod network is set up', '已配置唯一的 Pod 网络'),
  ({ facts, phase, survey }) => {
    const net = facts.podNetwork;
    if (phase !== 'after') return phase === undefined ? undefined : 'aside';
    if (net === undefined) return undefined;
    const hint = say(
      'Install the network (kubectl apply -f kube-flannel.yml), and move foreign files out of /etc/cni/net.d: the first by name wins.',
      '请安装网络插件（kubectl apply -f kube-flannel.yml），并将无关文件移出 /etc/cni/net.d：按名称排序第一个生效。',
    );
    const [first] = net.configs;
    if (first === undefined)
      return {
        hint,
        found: say(
          '/etc/cni/net.d is empty: the node stays NotReady ("cni plugin not initialized")',
          '/etc/cni/net.d 为空：节点保持 NotReady（“cni plugin not initialized”）',
        ),
      };
    const ours = net.configs.find((name) => name.includes(survey.wanted.network));
    if (ours === undefined || ours === first) return 'well';
    return {
      hint,
      found: say(
        `${first} comes before ${ours} in /etc/cni/net.d, and wins`,
        `/etc/cni/net.d 中 ${first} 排在 ${ours} 之前并生效`,
      ),
    };
  },
);

const subnet = nodeCheck<Patient>(
  'cni.subnet',
  'fail',
  say('flannel has its part of the pod range', 'flannel 已获得 Pod 子网'),
  ({ facts, phase }) => {
    const net = facts.podNetwork;
    if (net === undefined || phase === undefined) return undefined;
    if (phase !== 'after' || !net.configs.some((name) => /flannel/.test(name))) return 'aside';
    if (net.subnetEnv) return 'well';
    return {
      found: say(
        '/run/flannel/subnet.env is not there: flannel does not run here, or the node has no podCIDR',
        '/run/flannel/subnet.env 不存在：flannel 未在此运行，或节点没有 podCIDR',
      ),
      hint: say(
        'kubectl -n kube-flannel logs ds/kube-flannel-ds; "pod cidr not assigned": kubeadm init needs networking.podSubnet (10.244.0.0/16 in flannel\'s manifest); no br_netfilter: modprobe it.',
        '执行 kubectl -n kube-flannel logs ds/kube-flannel-ds；若为“pod cidr not assigned”：kubeadm init 需要 networking.podSubnet（flannel 清单为 10.244.0.0/16）；缺少 br_netfilter：modprobe br_netfilter。',
      ),
    };
  },
);

/** VXLAN's own headers. */
const overhead = 50;

const overlayLink = nodeCheck<Patient>(
  'cni.link',
  'fail',
  say('The pod network goes over the right link', 'Pod 网络使用正确的网卡'),
  ({ facts, address }) => {
    const link = facts.links?.find(({ name }) => name === 'flannel.1');
    if (facts.links === undefined || facts.addresses === undefined) return undefined;
    if (link === undefined) return 'aside';
    const own = facts.addresses.find((one) => one.address === address);
    if (own !== undefined && link.local !== undefined && link.local !== address)
      return {
        found: say(
          `flannel sends from ${link.local} (${link.over}), the hosts meet at ${address} (${own.link})`,
          `flannel 从 ${link.local}（${link.over}）发送，而主机间使用 ${address}（${own.link}）`,
        ),
        hint: say(
          `Add --iface=${own.link} to flannel's arguments: with several links every node may choose the one that leads nowhere (NAT).`,
          `请在 flannel 参数中加入 --iface=${own.link}：多网卡时节点可能选到不通的网卡（NAT）。`,
        ),
      };
    const under = facts.links.find(({ name }) => name === link.over);
    if (under !== undefined && link.mtu > under.mtu - overhead)
      return {
        found: say(
          `flannel.1 has MTU ${link.mtu} over ${under.name} with ${under.mtu}: large packets are lost`,
          `flannel.1 的 MTU 为 ${link.mtu}，下层 ${under.name} 为 ${under.mtu}：大包会丢失`,
        ),
        hint: say(
          `Set "MTU": ${under.mtu - overhead} in flannel's net-conf.json and restart its pods.`,
          `在 flannel 的 net-conf.json 中设置 "MTU": ${under.mtu - overhead}，并重启其 Pod。`,
        ),
      };
    return 'well';
  },
);

const overlay = nodeCheck<Patient>(
  'cni.overlay',
  'fail',
  say('Pods of different hosts reach one another', '不同主机的 Pod 可互访'),
  ({ reached }) => {
    const ways = (reached ?? []).filter(({ by }) => by === 'pods');
    if (ways.length === 0) return 'aside';
    const shut = ways.filter(({ open }) => !open);
    if (shut.length === 0) return 'well';
    const { en, zh } = listed(shut.map(({ to, address }) => `${to} (${address})`));
    const plain = (reached ?? []).filter(({ by, to }) => by === 'host' && shut.some((one) => one.to === to));
    const only = plain.length > 0 && plain.every(({ open }) => open);
    return {
      found: say(
        `Through the pod network no answer from ${en}${only ? ', though the hosts reach one another' : ''}`,
        `通过 Pod 网络无法访问 ${zh}${only ? '，但主机之间互通' : ''}`,
      ),
      hint: say(
        'Open UDP 8472 between the hosts (firewall of host and cloud); then the link (--iface), the MTU, and behind NAT: ethtool -K flannel.1 tx-checksum-ip-generic off',
        '请放通主机间的 UDP 8472（主机与云平台防火墙）；再检查网卡（--iface）与 MTU；位于 NAT 之后：ethtool -K flannel.1 tx-checksum-ip-generic off',
      ),
    };
  },
);

export const podChecks: readonly NodeCheck<Patient>[] = [cniPrograms, cniConfig, subnet, overlayLink, overlay];
