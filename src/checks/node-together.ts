/** What only several hosts together can tell. */
import type { NodeFacts } from '../probes/node.js';
import { say, type Text } from '../say.js';
import {
  type Found,
  isControlPlane,
  listed,
  type NodeCheck,
  type NodeView,
  nodeCheck,
  type Survey,
} from './node-check.js';
import { overlapping } from './ranges.js';

/** Hosts that share what must be one's own: value -> names. */
function shared(
  nodes: readonly NodeView[],
  values: (facts: NodeFacts) => readonly (string | undefined)[],
): [string, string[]][] {
  const owners = new Map<string, string[]>();
  for (const { name, facts } of nodes)
    for (const value of new Set(values(facts)))
      if (value !== undefined) owners.set(value, [...(owners.get(value) ?? []), name]);
  return [...owners].filter(([, names]) => names.length > 1);
}

function twins(
  id: string,
  title: Text,
  what: Text,
  values: (facts: NodeFacts) => readonly (string | undefined)[],
  hint: Text,
): NodeCheck<Survey> {
  return nodeCheck(id, 'fail', title, ({ nodes }): Found | 'well' | 'aside' | undefined => {
    const asked = nodes.filter(({ facts }) => facts.identity !== undefined);
    if (nodes.length < 2) return 'aside';
    const [first] = shared(asked, values);
    if (!first) return asked.length < nodes.length ? undefined : 'well';
    const { en, zh } = listed(first[1]);
    return { hint, found: say(`${en} have one ${what.en}: ${first[0]}`, `${zh} 的${what.zh}相同：${first[0]}`) };
  });
}

const hostname = twins(
  'hosts.hostname',
  say('Every host has a name of its own', '主机名各不相同'),
  say('host name', '主机名'),
  ({ identity }) => [identity?.hostname],
  say(
    'hostnamectl set-hostname NAME on all but one: two kubelets of one name fight over one node, which flips NotReady.',
    '除一台外，均执行 hostnamectl set-hostname NAME：同名的两个 kubelet 会争用同一节点，导致其在 NotReady 间反复。',
  ),
);

const machineId = twins(
  'hosts.machine-id',
  say('Every host has a machine-id of its own', 'machine-id 各不相同'),
  say('machine-id', ' machine-id '),
  ({ identity }) => [identity?.machineId],
  say(
    'Clones: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot, on all but one.',
    '克隆的虚拟机：除一台外，均执行 rm /etc/machine-id /var/lib/dbus/machine-id；systemd-machine-id-setup；然后重启。',
  ),
);

const productUuid = twins(
  'hosts.product-uuid',
  say('Every host has a board of its own', '硬件标识各不相同'),
  say('product_uuid', ' product_uuid '),
  // A container sees the board of the machine it is on.
  ({ identity, host }) => [host.virtualization?.container ? undefined : identity?.productUuid],
  say(
    'Give each virtual machine a UUID of its own in its hypervisor (virsh edit, or make it anew from the template).',
    '请在虚拟化平台中为每台虚拟机设置独立的 UUID（virsh edit，或从模板重新创建）。',
  ),
);

const mac = twins(
  'hosts.mac',
  say('Every link has a MAC address of its own', 'MAC 地址各不相同'),
  say('MAC address', ' MAC 地址'),
  ({ identity }) => Object.values(identity?.macs ?? {}),
  say(
    'Give each virtual network card a MAC address of its own in the hypervisor.',
    '请在虚拟化平台中为每块虚拟网卡设置独立的 MAC 地址。',
  ),
);

/** k0sctl's limit; beyond it TLS between the hosts begins to fail. */
const skewMs = 30_000;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;

const clock = nodeCheck<Survey>('hosts.clock', 'fail', say('The clocks agree', '各主机时钟一致'), ({ nodes }) => {
  const told = nodes.flatMap(({ name, facts: { clock } }) => (clock ? [{ name, ...clock }] : []));
  if (told.length === 0) return undefined;
  // With one host ours is the other clock, and nobody knows which of the two is right.
  const middle = told.length === 1 ? 0 : median(told.map(({ aheadMs }) => aheadMs));
  const off = told.filter(({ aheadMs, withinMs }) => Math.abs(aheadMs - middle) - withinMs > skewMs);
  if (off.length === 0) return told.length < nodes.length ? undefined : 'well';
  const { en, zh } = listed(
    off.map(
      ({ name, aheadMs }) =>
        `${name} ${aheadMs > middle ? '+' : '-'}${Math.round(Math.abs(aheadMs - middle) / 1000)} s`,
    ),
  );
  return {
    ...(told.length === 1 ? { severity: 'warn' as const } : {}),
    found: say(`Clocks apart: ${en}`, `时钟偏差：${zh}`),
    hint: say(
      'systemctl enable --now chrony && chronyc makestep (or timedatectl set-ntp true). Joining fails with "certificate has expired or is not yet valid" until then.',
      '执行 systemctl enable --now chrony && chronyc makestep（或 timedatectl set-ntp true）。在此之前加入集群会报“certificate has expired or is not yet valid”。',
    ),
  };
});

const cluster = nodeCheck<Survey>(
  'hosts.cluster',
  'fail',
  say('All members belong to one cluster', '所有成员属于同一集群'),
  ({ nodes }) => {
    const members = nodes.filter(({ facts }) => facts.membership?.joined && facts.membership.ca !== undefined);
    if (members.length < 2) return 'aside';
    const first = members.find(isControlPlane) ?? members[0]!;
    const foreign = members.filter(({ facts }) => facts.membership!.ca !== first.facts.membership!.ca);
    if (foreign.length === 0) return 'well';
    const { en, zh } = listed(foreign.map(({ name, facts }) => `${name} (${facts.membership!.server ?? '?'})`));
    return {
      found: say(`Of another cluster than ${first.name}: ${en}`, `与 ${first.name} 不属于同一集群：${zh}`),
      hint: say(
        'Check that the address is the right one. If that cluster is no longer needed: kubeadm reset on the host, then join it here.',
        '请确认主机地址无误。若该集群已不再需要：在该主机执行 kubeadm reset，再加入此处的集群。',
      ),
    };
  },
);

const ranges = nodeCheck<Survey>(
  'hosts.ranges',
  'fail',
  say('Pods and services do not share addresses', 'Pod 与 Service 地址段不重叠'),
  ({ wanted: { podSubnet, serviceSubnet } }) =>
    overlapping(podSubnet, serviceSubnet)
      ? {
          found: say(
            `kubernetes.podSubnet ${podSubnet} overlaps kubernetes.serviceSubnet ${serviceSubnet}`,
            `kubernetes.podSubnet ${podSubnet} 与 kubernetes.serviceSubnet ${serviceSubnet} 重叠`,
          ),
          hint: say(
            'Take ranges apart, for example 10.244.0.0/16 and 10.96.0.0/12.',
            '请使用不重叠的地址段，例如 10.244.0.0/16 与 10.96.0.0/12。',
          ),
        }
      : 'well',
);

/** A control plane that is not among the hosts asked may have the address of the cluster they are members of. */
const isTheirs = ({ facts: { identity, membership } }: NodeView, address: string): boolean =>
  identity?.macs === undefined || membership?.server?.includes(`//${address}:`) === true;

const virtualAddress = nodeCheck<Survey>(
  'hosts.virtual-address',
  'fail',
  say('No other machine has the address of the control planes', '控制平面的地址未被其他机器占用'),
  ({ nodes, wanted: { virtualAddress: wanted }, holder }) => {
    if (wanted === undefined) return 'aside';
    if (nodes.some(({ facts }) => facts.addresses?.some(({ address }) => address === wanted))) return 'well';
    if (holder === undefined) return undefined;
    const { mac, askedOn } = holder;
    if (mac === undefined) return 'well';
    if (nodes.some(({ facts }) => Object.values(facts.identity?.macs ?? {}).includes(mac))) return 'well';
    if (nodes.some((node) => isTheirs(node, wanted))) return undefined;
    return {
      found: say(
        `kubernetes.virtualAddress ${wanted} is taken: a machine that is none of these hosts answers there (MAC address ${mac}, seen from ${askedOn})`,
        `kubernetes.virtualAddress ${wanted} 已被占用：该地址由不在这些主机之列的机器应答（MAC 地址 ${mac}，自 ${askedOn} 查得）`,
      ),
      hint: say(
        `Name a free address of that network in deepseek.yaml, one that DHCP does not give out; or take it from that machine. See who answers, on ${askedOn}: ping -c 1 ${wanted}; ip neigh show to ${wanted}`,
        `请在 deepseek.yaml 中改用该网络中的空闲地址（不在 DHCP 分配范围内），或从那台机器上移除该地址。在 ${askedOn} 上查看由谁应答：ping -c 1 ${wanted}; ip neigh show to ${wanted}`,
      ),
    };
  },
);

/** etcd decides by a majority: an even number stands no more failures than one less, and has one more that can fail. */
const controlPlanes = nodeCheck<Survey>(
  'hosts.control-planes',
  'fail',
  say('The control planes are odd in number', '控制平面数量为奇数'),
  ({ nodes }) => {
    const them = nodes.filter(isControlPlane);
    if (them.length === 0) return 'aside';
    if (them.length % 2 === 1) return 'well';
    const stands = them.length / 2 - 1;
    const { en, zh } = listed(them.map(({ name }) => name));
    return {
      // One that was lost is no reason to call the rest broken.
      ...(them.some(({ facts }) => facts.membership?.joined === false) ? {} : { severity: 'warn' as const }),
      found: say(
        `${them.length} control planes (${en}): etcd wants ${them.length - stands} of them, so the cluster stands the loss of ${stands}, as with ${them.length - 1}`,
        `有 ${them.length} 个控制平面（${zh}）：etcd 需要其中 ${them.length - stands} 个，集群只能承受 ${stands} 个失效，与 ${them.length - 1} 个时相同`,
      ),
      hint: say(
        'Take one or three: give the role control-plane to one host more (all new ones in one go), or to one less.',
        '请使用一个或三个：为另一台主机添加 control-plane 角色（新增的须一次加入），或减少一台。',
      ),
    };
  },
);

export const togetherChecks: readonly NodeCheck<Survey>[] = [
  hostname,
  machineId,
  productUuid,
  mac,
  clock,
  cluster,
  controlPlanes,
  virtualAddress,
  ranges,
];
