/** A cluster that others made: asked through a kubeconfig with this machine's own kubectl, and only looked at. */
import type { NodeView, Survey } from '../checks/node-check.js';
import type { Role } from '../config/hosts.js';
import type { Kubernetes } from '../config/kubernetes.js';
import { UserError } from '../errors.js';
import { adminConfig } from '../install/kubeadm.js';
import { groups } from '../probes/node.js';
import type { Node } from '../probes/node-cluster.js';
import { readTogether, together } from '../probes/node-sections.js';
import { say } from '../say.js';
import type { World } from '../world.js';

const questions = groups['node.cluster'];

/** @throws UserError `kubeconfig.*`, exit 'unready': no file, no kubectl, no answer */
export async function surveyExisting(kubeconfig: string, wanted: Kubernetes, world: World): Promise<Survey> {
  await refuseSilence(kubeconfig, world);
  const { argv, timeoutMs } = together(questions, false);
  // On a control plane the same questions name its own file.
  const script = argv[2]!.replaceAll(adminConfig, '"$DEEPSEEK_DEPLOY_KUBECONFIG"');
  const { stdout } = await world.host.run({
    argv: ['sh', '-c', script, 'node'],
    env: { DEEPSEEK_DEPLOY_KUBECONFIG: kubeconfig },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const cluster = { host: { usable: {} }, ...readTogether(questions, stdout) };
  const nodes = cluster.objects?.nodes ?? [];
  const views = nodes.map(
    (node, at): NodeView => ({
      name: node.name,
      roles: rolesOf(node),
      ...(node.address === undefined ? {} : { address: node.address }),
      // What the API tells is told once.
      facts: at === 0 ? cluster : { host: { usable: {} } },
    }),
  );
  const all = views.length > 0 ? views : [{ name: 'api', roles: ['control-plane' as const], facts: cluster }];
  return { nodes: all, wanted, now: world.clock.now() };
}

const rolesOf = ({ labels }: Node): Role[] =>
  'node-role.kubernetes.io/control-plane' in labels ? ['control-plane'] : ['worker'];

async function refuseSilence(kubeconfig: string, world: World): Promise<void> {
  if (!(await world.files.stat(kubeconfig)))
    throw new UserError('kubeconfig.missing', say(`There is no file ${kubeconfig}.`, `找不到文件 ${kubeconfig}。`), {
      exit: 'usage',
    });
  const argv = ['kubectl', '--kubeconfig', kubeconfig, '--request-timeout=10s', 'get', '--raw', '/readyz'] as const;
  const { code, stderr } = await world.host.run({ argv: [...argv], timeoutMs: 20_000 });
  if (code === 127)
    throw new UserError('kubeconfig.kubectl', say('There is no kubectl on this machine.', '本机没有 kubectl。'), {
      hint: say(
        'Install it: https://kubernetes.io/docs/tasks/tools/',
        '请安装：https://kubernetes.io/zh-cn/docs/tasks/tools/',
      ),
      exit: 'unready',
    });
  if (code === 0) return;
  const why = stderr.trim().split('\n').at(-1) || `status ${code}`;
  throw new UserError(
    'kubeconfig.silent',
    say(`The cluster of ${kubeconfig} does not answer: ${why}`, `${kubeconfig} 所指的集群没有应答：${why}`),
    {
      hint: say(
        `See more with: kubectl --kubeconfig ${kubeconfig} cluster-info`,
        `查看详情：kubectl --kubeconfig ${kubeconfig} cluster-info`,
      ),
      exit: 'unready',
    },
  );
}
