/** All of deepseek.yaml: a section is one file, and one line here. */
import { say, type Text } from '../say.js';
import { engine } from './engine.js';
import { gateway } from './gateway.js';
import { model } from './model.js';
import { type Infer, object, oneOf, string } from './schema.js';
import { isFlag, type Where } from './tree.js';

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
    target: oneOf(['local'], {
      says: say(
        'Where it runs. local: on this machine, without containers.',
        '运行目标。local：在本机运行，不使用容器。',
      ),
      initial: 'local',
    }),
    model,
    engine,
    gateway,
  },
  { says: say('Configuration of deepseek-deploy.', 'deepseek-deploy 的配置。') },
);

export type Config = Infer<typeof schema>;

export interface Finding {
  /** 'gateway.port' */
  readonly path: string;
  readonly text: Text;
}

/** What no single field can tell. `given` has the paths that the file or a flag sets, with where. */
export type Rule = (config: Config, given: ReadonlyMap<string, Where>) => readonly Finding[];

/** A model from a flag takes the place of the file's, whose quantisation then says nothing. */
const quantisationIsOfTheCatalogue: Rule = ({ model: { id, quantisation } }, given) => {
  const modelBy = given.get('model.id') ?? given.get('model.file');
  const fits = quantisation === undefined || (id !== undefined && id !== 'demo');
  if (fits || (isFlag(modelBy) && !isFlag(given.get('model.quantisation')))) return [];
  const text = say('goes with a model of the catalogue only (model.id)', '仅可与目录中的模型（model.id）一起使用');
  return [{ path: 'model.quantisation', text }];
};

export const rules: readonly Rule[] = [quantisationIsOfTheCatalogue];
