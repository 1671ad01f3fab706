/** All of deepseek.yaml: a section is one file, and one line here. */
import { say } from '../say.js';
import { breakerRules } from './breaker.js';
import { bundle } from './bundle.js';
import { cacheRules } from './cache.js';
import { cloudRules } from './cloud.js';
import { clusterRules } from './cluster-rules.js';
import { degradeRules } from './degrade.js';
import { engine } from './engine.js';
import { gateway } from './gateway.js';
import { hosts } from './hosts.js';
import { kubernetes } from './kubernetes.js';
import { mirrors } from './mirrors.js';
import { model } from './model.js';
import { redisRules } from './redis.js';
import type { Rule } from './rule.js';
import { type Infer, object, oneOf, string } from './schema.js';
import { isFlag } from './tree.js';

export const schemaVersion = 1;

export const schema = object(
  {
    version: oneOf([schemaVersion], {
      says: say('Version of this form of file.', '配置文件格式的版本。'),
      required: true,
    }),
    name: string({
      says: say('Name of the deployment.', '部署的名称。'),
      // RFC 1123 label: it becomes a DNS name on Kubernetes.
      pattern: {
        regexp: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
        means: say(
          'up to 63 lower-case letters, digits and -, neither first nor last a -',
          '至多 63 个小写字母、数字或 -，且首尾不能是 -',
        ),
      },
      max: 63,
      initial: 'default',
    }),
    target: oneOf(['local', 'kubernetes'], {
      says: say(
        'Where it runs. local: on this machine, without containers. kubernetes: a cluster, made of the hosts below.',
        '运行目标。local：在本机运行，不使用容器。kubernetes：由下列主机组成的集群。',
      ),
      initial: 'local',
    }),
    model,
    engine,
    gateway,
    hosts,
    kubernetes,
    mirrors,
    bundle,
  },
  { says: say('Configuration of deepseek-deploy.', 'deepseek-deploy 的配置。') },
);

export type Config = Infer<typeof schema>;

/** A model from a flag takes the place of the file's, whose quantisation then says nothing. */
const quantisationIsOfTheCatalogue: Rule = ({ model: { id, quantisation } }, given) => {
  const modelBy = given.get('model.id') ?? given.get('model.file');
  const fits = quantisation === undefined || (id !== undefined && id !== 'demo');
  if (fits || (isFlag(modelBy) && !isFlag(given.get('model.quantisation')))) return [];
  const text = say('goes with a model of the catalogue only (model.id)', '仅可与目录中的模型（model.id）一起使用');
  return [{ path: 'model.quantisation', text }];
};

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1)$/i.test(host);

/** Keys and prompts never cross a network in the clear. */
const beyondThisMachineIsHttps: Rule = ({ gateway: { host, tls } }) =>
  tls.mode !== 'off' || isLoopback(host)
    ? []
    : [
        {
          path: 'gateway.host',
          text: say(
            `${host} can be reached from other machines: HTTPS is needed there. Set gateway.tls.mode, or --tls own-ca`,
            `${host} 可从其他机器访问，必须使用 HTTPS。请设置 gateway.tls.mode，或使用 --tls own-ca`,
          ),
        },
      ];

const filesAreOfModeFiles: Rule = ({ gateway: { tls } }) => {
  const wrong =
    tls.mode === 'files'
      ? say('is needed with mode files', 'files 模式下必须提供')
      : say('goes with mode files only', '仅可用于 files 模式');
  return (['certificate', 'key'] as const)
    .filter((name) => (tls[name] !== undefined) !== (tls.mode === 'files'))
    .map((name) => ({ path: `gateway.tls.${name}`, text: wrong }));
};

export const rules: readonly Rule[] = [
  ...[quantisationIsOfTheCatalogue, beyondThisMachineIsHttps, filesAreOfModeFiles],
  ...redisRules,
  ...cacheRules,
  ...breakerRules,
  ...degradeRules,
  ...cloudRules,
  ...clusterRules,
];
