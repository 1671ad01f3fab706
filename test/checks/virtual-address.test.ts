/** The address that the control planes share: taken by a stranger, by one of the hosts, or by nobody that is known of. */
import { expect, it } from 'vitest';
import { judge, nodeProblems } from '../../src/checks/node.js';
import type { Survey } from '../../src/checks/node-check.js';
import { holder } from '../../src/probes/node-holder.js';
import { adding, type Changes, hosts, replacing, surveyOf, viewOf } from './node-hosts.js';

const virtualAddress = '10.0.0.9';
/** As `ip neigh` of iproute2 6.1 shows who answered. */
const stranger = 'answers 10.0.0.9 lladdr 52:54:00:12:34:56 REACHABLE \n';

/** @param said by a control plane that asked its network; undefined where none was asked */
function survey(said: string | undefined, changes: Changes = {}): Survey {
  const found = said === undefined ? undefined : holder(virtualAddress).read({ code: 0, stdout: said, stderr: '' });
  const one = surveyOf([viewOf(hosts.fresh, changes)], { virtualAddress });
  return found === undefined ? one : { ...one, holder: { ...found, askedOn: 'fresh' } };
}
const verdict = (of: Survey) => judge(of).find(({ check }) => check.id === 'hosts.virtual-address')!.verdict;

it('a stranger that answers there is told, from where it was seen, and what to do', () => {
  const told = verdict(survey(stranger));
  expect(told).toMatchObject({
    state: 'problem',
    found: {
      en: 'kubernetes.virtualAddress 10.0.0.9 is taken: a machine that is none of these hosts answers there (MAC address 52:54:00:12:34:56, seen from fresh)',
      zh: expect.stringContaining('52:54:00:12:34:56'),
    },
    hint: { en: expect.stringMatching(/free address.*on fresh: ping -c 1 10\.0\.0\.9; ip neigh show to 10\.0\.0\.9$/) },
  });
  expect(nodeProblems(survey(stranger)).map(({ check }) => check.id)).toEqual(['hosts.virtual-address']);
});

const member = (server: string) => ({
  membership: adding('file kubelet.conf', `server: https://${server}:6443`, 'answers: 200', 'asked'),
});

it.each<[string, string | undefined, Changes, string]>([
  ['nobody answers', 'silent\n', {}, 'ok'],
  ['one of the hosts has it', undefined, { addresses: adding('2: ens3    inet 10.0.0.9/32 scope global ens3') }, 'ok'],
  ['a link of one of the hosts answers', stranger, { identity: adding('mac ens9 52:54:00:12:34:56') }, 'ok'],
  ['the hosts are members of the cluster there', stranger, member(virtualAddress), 'skipped'],
  ['a host does not tell its links', stranger, { identity: replacing(/^mac .*$/gm, '') }, 'skipped'],
  ['nobody could ask', '', {}, 'skipped'],
  ['none was asked', undefined, {}, 'skipped'],
  ['members of a cluster at another address', stranger, member('10.0.0.99'), 'problem'],
])('%s', (_what, said, changes, state) => {
  expect(verdict(survey(said, changes)).state).toBe(state);
});

it('has no meaning where there is no such address', () => {
  expect(verdict(surveyOf([viewOf(hosts.fresh)]))).toMatchObject({ state: 'skipped', why: { en: 'does not apply' } });
});
