/** Who answers at an address, by the script itself: two machines on one wire, which are two networks of this one. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { quote } from '../../src/command.js';
import { holder } from '../../src/probes/node-holder.js';

const mac = '52:54:00:00:00:02';
/** The other machine has 10.9.9.2 and lets nothing in. */
const wire = `ip link set lo up
unshare -n sleep 30 & other=$!; trap 'kill $other' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
ip link add name va type veth peer name vb netns $other
ip addr add 10.9.9.1/24 dev va; ip link set va up
nsenter -t $other -n sh -ec 'ip link set vb address ${mac}; ip addr add 10.9.9.2/24 dev vb; ip link set vb up; iptables -P INPUT DROP'`;

function asked(address: string, before = ''): ReturnType<ReturnType<typeof holder>['read']> {
  const probe = holder(address);
  const lines = [wire, before, probe.command.argv.map(quote).join(' ')].join('\n');
  const stdout = execFileSync('unshare', ['-n', 'sh', '-ec', lines], { encoding: 'utf8' });
  return probe.read({ code: 0, stdout, stderr: '' });
}

const works = (): boolean => {
  try {
    execFileSync('unshare', ['-n', 'sh', '-ec', wire], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe.skipIf(!works())('on a wire of two', () => {
  it('who has it is found behind a firewall', () => {
    expect(asked('10.9.9.2')).toEqual({ mac });
  });

  it('nobody has it, whatever the kernel remembers', () => {
    expect(asked('10.9.9.3')).toEqual({});
    expect(asked('10.9.9.4', 'ip neigh replace 10.9.9.4 lladdr 52:54:00:00:00:04 dev va nud stale')).toEqual({});
  });

  it('of an address that is its own or behind a router nothing is claimed', () => {
    expect(asked('10.9.9.1')).toBeUndefined();
    expect(asked('192.0.2.1')).toBeUndefined();
    expect(asked('192.0.2.1', 'ip route add default via 10.9.9.2')).toBeUndefined();
  });
});
