/** The machines of a cluster, and how they are reached. */
import { say } from '../say.js';
import { boolean, type Infer, integer, list, map, object, oneOf, path, port, string } from './schema.js';

const address = {
  // What ssh could take for an option, or a shell for more than a word, is no address.
  regexp: '^[A-Za-z0-9_:][A-Za-z0-9._:%-]*$',
  means: say('a host name, an IP address, or an alias of your ssh configuration', '主机名、IP 地址或 ssh 配置中的别名'),
};
const user = {
  regexp: '^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$',
  means: say('a user name', '用户名'),
};

/** RFC 1123: it becomes the name of a node. */
const name = {
  regexp: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  means: say('lower-case letters, digits and -, at most 63', '小写字母、数字和 -，最多 63 个字符'),
};

const sshFields = {
  port: port({
    says: say('The port of ssh; left out, what your ssh configuration says.', 'ssh 端口；省略时以 ssh 配置为准。'),
  }),
  user: string({
    says: say('Who to log in as: root, or a user who may use sudo.', '登录用户：root，或可使用 sudo 的用户。'),
    pattern: user,
    max: 64,
  }),
  identityFile: path({
    says: say(
      'The private key; left out, your agent and your ssh configuration decide.',
      '私钥文件；省略时由 ssh 代理和 ssh 配置决定。',
    ),
    secret: true,
    mustExist: true,
  }),
} as const;

export const roles = ['control-plane', 'worker', 'storage'] as const;
export type Role = (typeof roles)[number];

const host = object(
  {
    address: string({
      says: say('Where it is reached from here.', '从本机访问它的地址。'),
      pattern: address,
      max: 253,
      required: true,
      example: '10.0.0.11',
    }),
    roles: list(oneOf(roles, { says: say('What it is for.', '主机的用途。') }), {
      says: say('What it is for; one machine can be all of it.', '主机的用途；一台主机可兼任多种角色。'),
      min: 1,
      max: 3,
      initial: ['worker'],
    }),
    ...sshFields,
    bastion: object(
      {
        address: string({
          says: say('The host to go through.', '跳板机地址。'),
          pattern: address,
          max: 253,
          required: true,
        }),
        ...sshFields,
      },
      { says: say('A host to go through, when there is no straight way.', '无法直连时使用的跳板机。'), optional: true },
    ),
  },
  { says: say('One machine.', '一台主机。') },
);

/** How the name of a machine is written. */
export const isMachineName = (text: string): boolean => new RegExp(name.regexp).test(text);

export const hosts = object(
  {
    machines: map(host, {
      says: say('The machines by name; the name becomes that of the node.', '以名称列出主机；该名称即节点名。'),
      keys: name,
      initial: {},
    }),
    parallel: integer({
      says: say('How many machines are worked on at once.', '同时处理的主机数量。'),
      min: 1,
      max: 100,
      initial: 10,
    }),
    acceptNewHostKeys: boolean({
      says: say(
        'Trust a machine met for the first time without asking; a changed key is always refused.',
        '首次连接时不询问直接信任主机密钥；密钥变更一律拒绝。',
      ),
      initial: false,
    }),
  },
  { says: say('The machines of the cluster, reached over ssh.', '集群主机，通过 ssh 访问。') },
);

export type Hosts = Infer<typeof hosts>;
export type MachineConfig = Hosts['machines'][string];
