import { cloudOptions } from '../gateway/cloud.js';
import { nameOf } from '../models/name.js';
import { say } from '../say.js';
import type { Finding, Rule } from './rule.js';
import { map, object, path, secretFile, string } from './schema.js';

const id = {
  regexp: '^[A-Za-z0-9][A-Za-z0-9._:/-]*$',
  means: say('the id of a model', '模型 id'),
};

export const cloud = object(
  {
    baseUrl: string({
      says: say(
        'An OpenAI-compatible API that answers chats when nobody here does: what callers write goes there then. Left out: none.',
        '本地无法应答时代为应答的 OpenAI 兼容 API：此时调用方的内容会发往该处。省略则不使用。',
      ),
      pattern: { regexp: '^https://[^\\s?#@]+$', means: say('an https URL', 'https 网址') },
      max: 300,
      example: 'https://api.deepseek.com/v1',
    }),
    keyFile: secretFile({
      says: say(
        'A file with its API key, mode 0600; the key never stands in here.',
        '存放其 API 密钥的文件，权限 0600；密钥不写在本文件中。',
      ),
      example: 'cloud/key',
    }),
    models: map(string({ says: say('Its name there', '在该处的名称'), max: 200, example: 'deepseek-chat' }), {
      says: say('Models that may go there, by their id here.', '允许转发的模型，以此处的 id 为键。'),
      keys: id,
      initial: {},
    }),
    ca: path({
      says: say(
        'The CA certificates that its own is checked against, in PEM; left out: those of the system.',
        '用于校验其证书的 CA 证书（PEM）；省略则使用系统的 CA。',
      ),
      mustExist: true,
      example: 'cloud/ca.crt',
    }),
  },
  { says: say('A cloud as the last resort.', '最后的退路：云端 API。') },
);

const at = (name: string, en: string, zh: string): Finding => ({ path: `gateway.cloud.${name}`, text: say(en, zh) });

export const cloudRules: readonly Rule[] = [
  ({ gateway: { cloud: its } }) => {
    if (its.baseUrl === undefined) return [];
    if (!cloudOptions(its.baseUrl, its.models)) return [at('baseUrl', 'is no https URL', '不是 https 网址')];
    return [
      ...(its.keyFile === undefined ? [at('keyFile', 'is needed', '必填')] : []),
      ...(Object.keys(its.models).length === 0 ? [at('models', 'names no model', '未列出任何模型')] : []),
    ];
  },
  ({ gateway: { cloud: its, breaker } }) =>
    its.baseUrl === undefined || breaker.enabled
      ? []
      : [at('baseUrl', 'needs gateway.breaker.enabled: true', '需要 gateway.breaker.enabled: true')],
  ({ model, gateway: { cloud: its } }) =>
    Object.keys(its.models)
      .filter((name) => name !== nameOf(model))
      .map((name) => at('models', `no model ${name} is served here`, `此处未部署模型 ${name}`)),
];
