/** Addresses, ports and ways of a host. */
import type { Firewall } from '../probes/node-network.js';
import { say } from '../say.js';
import { isControlPlane, listed, type NodeCheck, nodeCheck, type Patient } from './node-check.js';
import { isAddress, overlapping, within } from './ranges.js';

/** Routes of the pod network itself. */
const ofPods = (link: string): boolean => /^(cni|flannel|cali|tunl|vxlan\.calico|kube-|podman)/.test(link);

/** What a route says of a range: nothing beside it; a wider one yields to the routes of the pods, which are narrower. */
const clashes = (to: string, range: string): 'fail' | 'warn' | undefined => {
  if (!overlapping(to, range)) return undefined;
  return within(range, to) && to !== range ? 'warn' : 'fail';
};

const ranges = nodeCheck<Patient>(
  'net.ranges',
  'fail',
  say('Pods and services have addresses of their own', 'Pod 与 Service 地址段未被占用'),
  ({ facts, survey }) => {
    if (facts.routes === undefined) return undefined;
    const { podSubnet, serviceSubnet } = survey.wanted;
    // A VPN's 0.0.0.0/1 stands for "everything", as the default route does.
    const own = facts.routes.filter(({ to, link }) => to !== 'default' && !ofPods(link) && !/\/[01]$/.test(to));
    const found = Object.entries({ podSubnet, serviceSubnet }).flatMap(([key, range]) =>
      own.flatMap(({ to, link }) => {
        const severity = clashes(to, range);
        return severity === undefined ? [] : [{ to, link, range, key: `kubernetes.${key}`, severity }];
      }),
    );
    const clash = found.find(({ severity }) => severity === 'fail') ?? found[0];
    if (!clash) return 'well';
    const { to, link, range, key, severity } = clash;
    const other = key.includes('pod') ? '10.200.0.0/16' : '10.112.0.0/12';
    return {
      severity,
      found: say(`${to} (${link}) overlaps ${range}, ${key}`, `${to}（${link}）与 ${key} 的 ${range} 重叠`),
      hint: say(
        `Choose another range in deepseek.yaml, for example ${key}: ${other}; one that no host routes to. Machines in the part that is shared are out of reach otherwise.`,
        `请在 deepseek.yaml 中改用其他地址段，例如 ${key}: ${other}，且不与任何主机路由重叠；否则重叠部分的机器将无法访问。`,
      ),
    };
  },
);

const ofControlPlane = [6443, 2379, 2380, 10257, 10259];
/** Names of processes are cut after 15 characters. */
const kubernetesOwn = /^(kube(let|-apiserver|-controller|-scheduler|-proxy|adm)|etcd)/;

const ports = nodeCheck<Patient>(
  'net.ports',
  'fail',
  say('The ports of Kubernetes are free', 'Kubernetes 所需端口空闲'),
  (patient) => {
    const { facts, phase } = patient;
    const open = facts.listening ?? facts.host.ports;
    if (open === undefined) return undefined;
    const needed = [...(isControlPlane(patient) ? ofControlPlane : []), 10250];
    const taken = open.filter(({ port, program }) => {
      if (!needed.includes(port)) return false;
      if (phase === 'before') return true;
      return program !== undefined && !kubernetesOwn.test(program);
    });
    if (taken.length === 0) return 'well';
    const { en, zh } = listed([
      ...new Set(
        taken.map(({ port, program, pid }) => `${port}${program ? ` (${program}${pid ? `, pid ${pid}` : ''})` : ''}`),
      ),
    ]);
    return {
      found: say(`Taken: ${en}`, `端口被占用：${zh}`),
      hint: say(
        'Stop what listens there (ss -ltnp shows it; k3s, minikube and an older cluster are the usual ones: k3s-uninstall.sh, kubeadm reset).',
        '请停止占用端口的程序（用 ss -ltnp 查看；常见的是 k3s、minikube 或旧集群：k3s-uninstall.sh、kubeadm reset）。',
      ),
    };
  },
);

const address = nodeCheck<Patient>(
  'net.address',
  'warn',
  say('The address in the configuration is its own', '配置中的地址属于该主机'),
  ({ given, address: used, facts }) => {
    if (given === undefined || !isAddress(given)) return 'aside';
    const own = facts.addresses;
    if (own === undefined || own.length === 0) return undefined;
    if (own.some((one) => one.address === given)) return 'well';
    const instead =
      used === undefined || used === given ? say('', '') : say(`; the cluster takes ${used}`, `；集群将使用 ${used}`);
    return {
      found: say(
        `${given} is not an address of the host: it is behind NAT${instead.en}`,
        `${given} 不是该主机的地址：位于 NAT 之后${instead.zh}`,
      ),
      hint: say(
        'If the hosts meet at another one, give that as hosts.machines.NAME.address and come to it through a bastion or your ssh configuration.',
        '若主机之间使用其他地址，请将其填为 hosts.machines.NAME.address，并通过跳板机或 ssh 配置访问。',
      ),
    };
  },
);

const defaultRoute = nodeCheck<Patient>(
  'net.default-route',
  'warn',
  say('There is a default route', '存在默认路由'),
  ({ facts }) => {
    if (facts.routes === undefined) return undefined;
    if (facts.routes.some(({ to }) => to === 'default')) return 'well';
    return {
      found: say(
        'No default route: kubeadm and flannel find their address by it',
        '没有默认路由：kubeadm 与 flannel 依靠它确定地址',
      ),
      hint: say(
        'ip route add default via GATEWAY; on a network without one, a dummy: ip route add default dev LINK metric 1000',
        '执行 ip route add default via 网关；若网络没有网关：ip route add default dev 网卡 metric 1000',
      ),
    };
  },
);

const loopback = /^(127\.|::1$)/;

const resolver = nodeCheck<Patient>(
  'net.resolver',
  'fail',
  say('Names are resolved by a server that pods reach', 'Pod 可访问域名服务器'),
  ({ facts, phase }) => {
    if (facts.resolver === undefined) return undefined;
    const { servers, resolved } = facts.resolver;
    if (servers.length === 0)
      return {
        severity: 'warn',
        found: say('/etc/resolv.conf names no server', '/etc/resolv.conf 中没有域名服务器'),
        hint: say(
          'Add "nameserver ADDRESS" to /etc/resolv.conf: CoreDNS asks it for every name outside the cluster.',
          '在 /etc/resolv.conf 中加入“nameserver 地址”：CoreDNS 用它解析集群外的域名。',
        ),
      };
    if (servers.some((server) => !loopback.test(server))) return 'well';
    const kubelet = facts.kubelet;
    if (kubelet === undefined) return undefined;
    const own = kubelet.resolvConf;
    if (resolved && phase !== 'after') return 'well';
    if (own !== undefined && own !== '/etc/resolv.conf') return 'well';
    if (resolved && own === undefined && kubelet.cgroupDriver === undefined) return undefined;
    return {
      found: say(
        `/etc/resolv.conf names ${servers[0]} alone, and the kubelet hands it to CoreDNS: a loop`,
        `/etc/resolv.conf 仅有 ${servers[0]}，kubelet 会将其交给 CoreDNS，造成循环`,
      ),
      hint: resolved
        ? say(
            'resolvConf: /run/systemd/resolve/resolv.conf in /var/lib/kubelet/config.yaml, then restart the kubelet and CoreDNS.',
            '在 /var/lib/kubelet/config.yaml 中设置 resolvConf: /run/systemd/resolve/resolv.conf，然后重启 kubelet 与 CoreDNS。',
          )
        : say(
            'Write the real servers to a file and name it as resolvConf in /var/lib/kubelet/config.yaml.',
            '将真实的域名服务器写入文件，并在 /var/lib/kubelet/config.yaml 中以 resolvConf 指定。',
          ),
    };
  },
);

const firewall = nodeCheck<Patient>(
  'net.firewall',
  'warn',
  say('No firewall stands between the hosts', '主机间没有防火墙阻隔'),
  (patient) => {
    const { facts, survey } = patient;
    if (facts.firewall === undefined) return undefined;
    const { by, allows } = facts.firewall;
    if (by.length === 0) return 'well';
    const wanted = [
      ...(isControlPlane(patient) ? ['6443/tcp'] : []),
      '10250/tcp',
      ...(survey.nodes.length > 1 && survey.wanted.network === 'flannel' ? ['8472/udp'] : []),
    ];
    const pods = survey.wanted.podSubnet.replaceAll('.', '\\.');
    const trusted = new RegExp(`^(trusted .*|ufw Anywhere +ALLOW( IN)? +)${pods}`, 'm').test(allows);
    const shut = wanted.filter((port) => !new RegExp(`\\b${port.split('/')[0]}\\b`).test(allows));
    if (shut.length === 0 || trusted) return 'well';
    const { en, zh } = listed(shut);
    const open =
      by[0] === 'ufw'
        ? shut.map((port) => `ufw allow ${port}`)
        : shut.map((port) => `firewall-cmd --permanent --add-port=${port}`);
    return {
      ...(by[0] === 'iptables' ? {} : { byInit: true as const }),
      found: say(`${by[0]} is active and says nothing of ${en}`, `${by[0]} 已启用，且未放行 ${zh}`),
      hint:
        by[0] === 'iptables'
          ? say(
              'Let the hosts reach one another: iptables -I INPUT -s NETWORK -j ACCEPT, and the same for the pod range.',
              '请允许主机互访：iptables -I INPUT -s 网段 -j ACCEPT，并同样放行 Pod 地址段。',
            )
          : say(
              `${open.join('; ')}; and let the pod range in (firewalld: --zone=trusted --add-source=${survey.wanted.podSubnet}, then --reload)`,
              `${open.join('；')}；并放行 Pod 地址段（firewalld：--zone=trusted --add-source=${survey.wanted.podSubnet}，然后 --reload）`,
            ),
    };
  },
);

/** A firewall that `init` opens to the other hosts by itself. */
const isOpened = ({ by }: Firewall): boolean => by.some((one) => one !== 'iptables');

/** Whether NO_PROXY keeps a range or an address away from the proxy. */
function spared(noProxy: string | undefined, what: string): boolean {
  const words = (noProxy ?? '').split(',').map((word) => word.trim());
  return words.some((word) => word === '*' || word === what || within(what, word));
}

const proxy = nodeCheck<Patient>(
  'net.proxy',
  'warn',
  say('A proxy leaves the cluster alone', '代理不影响集群内部通信'),
  ({ facts, survey, address: told }) => {
    if (facts.proxies === undefined) return undefined;
    const { http, no, runtime, runtimeNo } = facts.proxies;
    if (http === undefined && runtime === undefined) return 'well';
    const wanted = [survey.wanted.podSubnet, survey.wanted.serviceSubnet, ...(told && isAddress(told) ? [told] : [])];
    const lacking = wanted.filter(
      (what) => (http !== undefined && !spared(no, what)) || (runtime !== undefined && !spared(runtimeNo, what)),
    );
    if (lacking.length > 0) {
      const { en, zh } = listed(lacking);
      return {
        found: say(
          `A proxy is set (${http ?? runtime}) and NO_PROXY lacks ${en}`,
          `已设置代理（${http ?? runtime}），NO_PROXY 缺少 ${zh}`,
        ),
        hint: say(
          `Add to NO_PROXY, for the shell and in containerd's drop-in: ${wanted.join(',')},.svc,.cluster.local. kubeadm copies the proxy into the control plane's pods.`,
          `请在 shell 与 containerd 的 drop-in 中为 NO_PROXY 加入：${wanted.join(',')},.svc,.cluster.local。kubeadm 会将代理写入控制平面 Pod。`,
        ),
      };
    }
    if (runtime === undefined && facts.sockets?.active)
      return {
        found: say(
          `The shell has a proxy (${http}), containerd has none: it pulls past it`,
          `shell 设置了代理（${http}），containerd 没有：拉取镜像不会经过代理`,
        ),
        hint: say(
          'Environment="HTTPS_PROXY=…" "NO_PROXY=…" in /etc/systemd/system/containerd.service.d/proxy.conf, then systemctl daemon-reload and restart containerd',
          '在 /etc/systemd/system/containerd.service.d/proxy.conf 中写入 Environment="HTTPS_PROXY=…" "NO_PROXY=…"，然后 systemctl daemon-reload 并重启 containerd',
        ),
      };
    return 'well';
  },
);

const peers = nodeCheck<Patient>(
  'net.peers',
  'fail',
  say('It reaches the other hosts', '可访问其他主机'),
  ({ reached, survey }) => {
    const ways = (reached ?? []).filter(({ by }) => by === 'host');
    if (ways.length === 0) return 'aside';
    const shut = ways.filter(({ open }) => !open);
    if (shut.length === 0) return 'well';
    const { en, zh } = listed(shut.map(({ to, address: at }) => `${to} (${at}, port 10250)`));
    const firewalls = shut.map(({ to }) => survey.nodes.find(({ name }) => name === to)?.facts.firewall);
    return {
      // RHEL's firewalld runs from the first boot.
      ...(firewalls.every((one) => one && isOpened(one)) ? { byInit: true as const } : {}),
      found: say(`No answer from ${en}`, `无法访问 ${zh}`),
      hint: say(
        'Open the hosts to one another: TCP 6443, 2379-2380, 10250, UDP 8472 and, for engines over several hosts, all of TCP. Look at the firewall of the host and of the cloud.',
        '请放通主机互访：TCP 6443、2379-2380、10250，UDP 8472；引擎跨主机运行时需放通全部 TCP。请检查主机与云平台的防火墙。',
      ),
    };
  },
);

export const netChecks: readonly NodeCheck<Patient>[] = [
  ranges,
  ports,
  address,
  defaultRoute,
  resolver,
  firewall,
  proxy,
  peers,
];
