/** What the sections `hosts` and `kubernetes` promise one another. */
import { say } from '../say.js';
import { addressNumber, overlap, rangeOf } from './cidr.js';
import type { Finding, Rule } from './rule.js';

const aControlPlane: Rule = ({ hosts: { machines } }) => {
  const all = Object.values(machines);
  if (all.length === 0 || all.some(({ roles }) => roles.includes('control-plane'))) return [];
  const text = say('one machine at least needs the role control-plane', '至少一台主机须具有 control-plane 角色');
  return [{ path: 'hosts.machines', text }];
};

/** Kubelets know one address of the API: with that of a control plane, all of them stop with it. */
const severalHaveAnEndpoint: Rule = ({ hosts: { machines }, kubernetes: { endpoint, virtualAddress } }) => {
  const count = Object.values(machines).filter(({ roles }) => roles.includes('control-plane')).length;
  if (count < 2 || endpoint !== undefined || virtualAddress !== undefined) return [];
  const text = say(
    `${count} machines have the role control-plane: name kubernetes.virtualAddress (a free address, which moves to one that answers) or kubernetes.endpoint (a load balancer of yours); without it all stop with the first`,
    `有 ${count} 台主机具有 control-plane 角色：请设置 kubernetes.virtualAddress（空闲地址，自动移至可用的一台）或 kubernetes.endpoint（自备的负载均衡器），否则首台停机时整个集群停止`,
  );
  return [{ path: 'hosts.machines', text }];
};

const virtualAddressIsFree: Rule = ({ hosts: { machines }, kubernetes: { virtualAddress } }) => {
  if (virtualAddress === undefined) return [];
  const path = 'kubernetes.virtualAddress';
  if (addressNumber(virtualAddress) === undefined)
    return [{ path, text: say('is no IPv4 address', '不是有效的 IPv4 地址') }];
  return Object.entries(machines)
    .filter(([, { address }]) => address === virtualAddress)
    .map(([name]) => ({
      path,
      text: say(
        `is the address of ${name}: a free one is needed, which no machine has`,
        `是 ${name} 的地址：须为没有主机使用的空闲地址`,
      ),
    }));
};

const addressesDiffer: Rule = ({ hosts: { machines } }) => {
  const seen = new Map<string, string>();
  return Object.entries(machines).flatMap(([name, { address, port = 22 }]): Finding[] => {
    const key = `${address.toLowerCase()} ${port}`;
    const other = seen.get(key);
    seen.set(key, other ?? name);
    if (other === undefined) return [];
    const text = say(`${address} is the address of ${other} already`, `${address} 已是 ${other} 的地址`);
    return [{ path: `hosts.machines.${name}.address`, text }];
  });
};

/** A service range beyond /12 is refused by the API server (k8s.io/kubernetes, validateServiceClusterIPRangeFlags: 20 bits). */
const rangesHold: Rule = ({ kubernetes: { podSubnet, serviceSubnet } }) => {
  const pods = rangeOf(podSubnet);
  const services = rangeOf(serviceSubnet);
  const none = (path: string): Finding => ({
    path,
    text: say('is no range of IPv4 addresses', '不是有效的 IPv4 网段'),
  });
  const findings = [
    ...(pods ? [] : [none('kubernetes.podSubnet')]),
    ...(services ? [] : [none('kubernetes.serviceSubnet')]),
  ];
  if (services && services.to - services.from >= 2 ** 20)
    findings.push({ path: 'kubernetes.serviceSubnet', text: say('is too large: /12 at most', '过大：最大为 /12') });
  if (pods && pods.to - pods.from < 2 ** 8 - 1)
    findings.push({
      path: 'kubernetes.podSubnet',
      text: say('is too small: every host takes a /24 of it', '过小：每台主机占用一个 /24'),
    });
  if (pods && services && overlap(pods, services))
    findings.push({
      path: 'kubernetes.podSubnet',
      text: say(
        `overlaps kubernetes.serviceSubnet (${serviceSubnet})`,
        `与 kubernetes.serviceSubnet（${serviceSubnet}）重叠`,
      ),
    });
  return findings;
};

const hostsOutsideRanges: Rule = ({ hosts: { machines }, kubernetes }) => {
  const named = Object.entries(machines).map(([name, { address }]) => ({ name, address }));
  const moving = { name: 'kubernetes.virtualAddress', address: kubernetes.virtualAddress ?? '' };
  return [...named, moving].flatMap(({ name, address }) => {
    const at = addressNumber(address);
    if (at === undefined) return [];
    return (['podSubnet', 'serviceSubnet'] as const)
      .filter((key) => {
        const range = rangeOf(kubernetes[key]);
        return range !== undefined && overlap(range, { from: at, to: at });
      })
      .map((key) => ({
        path: `kubernetes.${key}`,
        text: say(`holds the address of ${name} (${address})`, `包含 ${name} 的地址（${address}）`),
      }));
  });
};

const rookNeedsThree: Rule = ({ hosts: { machines }, kubernetes: { storage } }) => {
  const count = Object.values(machines).filter(({ roles }) => roles.includes('storage')).length;
  if (storage !== 'rook' || count >= 3) return [];
  const text = say(
    `rook needs three machines with the role storage; there are ${count}`,
    `rook 需要三台具有 storage 角色的主机，当前有 ${count} 台`,
  );
  return [{ path: 'kubernetes.storage', text }];
};

/** Nothing is taken that nobody named: a disk that Ceph takes is wiped. */
const rookNeedsDevices: Rule = ({ hosts: { machines }, kubernetes: { storage, storageDevices } }) => {
  const names = Object.keys(machines).filter((name) => machines[name]!.roles.includes('storage'));
  const rook = storage === 'rook' || (storage === 'auto' && names.length >= 3);
  if (!rook) return [];
  return names
    .filter((name) => !storageDevices[name])
    .map((name) => ({
      path: `kubernetes.storageDevices.${name}`,
      text: say(
        'is needed: the disks of this storage host that Ceph may take (ls -l /dev/disk/by-id)',
        '必须提供：该存储主机上允许 Ceph 使用的磁盘（ls -l /dev/disk/by-id）',
      ),
    }));
};

const devicesAreOfHosts: Rule = ({ hosts: { machines }, kubernetes: { storageDevices } }) =>
  Object.keys(storageDevices)
    .filter((name) => !machines[name]?.roles.includes('storage'))
    .map((name) => ({
      path: `kubernetes.storageDevices.${name}`,
      text: say('is no machine with the role storage', '不是具有 storage 角色的主机'),
    }));

export const clusterRules: readonly Rule[] = [
  aControlPlane,
  severalHaveAnEndpoint,
  virtualAddressIsFree,
  addressesDiffer,
  rangesHold,
  hostsOutsideRanges,
  rookNeedsThree,
  rookNeedsDevices,
  devicesAreOfHosts,
];
