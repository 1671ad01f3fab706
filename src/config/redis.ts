import { say } from '../say.js';
import type { Rule } from './rule.js';
import { boolean, duration, integer, list, object, path, secretFile, string } from './schema.js';

const node = string({
  says: say(
    'A server, as host:port, or unix:/path for a socket of this machine.',
    '服务器 host:port，或本机套接字 unix:/path。',
  ),
  pattern: {
    regexp: '^(unix:/[^\\s"\\\\$;]+|([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5})$',
    means: say('host:port or unix:/path', 'host:port 或 unix:/path'),
  },
  max: 300,
  example: '127.0.0.1:6379',
});

const redisTls = object(
  {
    enabled: boolean({
      says: say('Speak TLS with Redis; its certificate is always checked.', '以 TLS 连接 Redis，并始终校验其证书。'),
      initial: false,
    }),
    ca: path({
      says: say(
        'With TLS: the CA certificates that Redis’ own is checked against, in PEM; of public CAs: /etc/ssl/certs/ca-certificates.crt.',
        'TLS：用于校验 Redis 证书的 CA 证书（PEM）；公共 CA 可用 /etc/ssl/certs/ca-certificates.crt。',
      ),
      mustExist: true,
      example: 'redis/ca.crt',
    }),
    serverName: string({
      says: say(
        'With TLS: the name in the certificate, where nodes are given by address.',
        'TLS：证书中的名称；节点以 IP 地址给出时必填。',
      ),
      pattern: { regexp: '^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$', means: say('a host name', '主机名') },
      max: 253,
      example: 'redis.example.com',
    }),
  },
  { says: say('TLS towards Redis.', '到 Redis 的 TLS。') },
);

export const redis = object(
  {
    nodes: list(node, {
      says: say(
        'A Redis that is there already: one server, or some nodes of a cluster. Without one, limits and cache are this gateway’s own.',
        '已有的 Redis：一台服务器，或集群中的若干节点。不填则限流与缓存仅在本网关内有效。',
      ),
      max: 64,
      initial: [],
    }),
    cluster: boolean({ says: say('Whether it is a Redis Cluster.', '是否为 Redis Cluster。'), initial: false }),
    username: string({
      says: say('A user of its ACL; left out: the default user.', 'ACL 用户；省略则为默认用户。'),
      pattern: { regexp: '^[^\\s]+$', means: say('a word without spaces', '不含空格的词') },
      max: 200,
      example: 'gateway',
    }),
    passwordFile: secretFile({
      says: say(
        'A file with its password, mode 0600; the password never stands in here.',
        '存放密码的文件，权限 0600；密码不写在本文件中。',
      ),
      example: 'redis/password',
    }),
    database: integer({
      says: say(
        'Number of the database; deployments that share a server want one each.',
        '数据库编号；共用同一服务器的部署应各用一个。',
      ),
      min: 0,
      max: 1023,
      initial: 0,
    }),
    tls: redisTls,
    timeout: duration({
      says: say(
        'The longest that a request waits for Redis; then it goes on without it.',
        '请求等待 Redis 的最长时间，超过则不再等待，继续处理。',
      ),
      min: 5,
      max: 5000,
      initial: '25ms',
    }),
    writeTimeout: duration({
      says: say('The longest that a write in the background may take.', '后台写入的最长时间。'),
      min: 5,
      max: 60_000,
      initial: '250ms',
    }),
    connections: integer({
      says: say(
        'Most connections to a node, for each worker of the gateway.',
        '每个网关工作进程到每个节点的最大连接数。',
      ),
      min: 1,
      max: 1000,
      initial: 16,
    }),
  },
  {
    says: say(
      'Redis, for limits that hold over several gateways and for the cache. It is used where it is; none is installed.',
      'Redis：供多个网关共用的限流与缓存。只使用已有的 Redis，不会安装。',
    ),
  },
);

/** Whether the host of a node is an address: nginx checks certificates against names alone. */
const isAddress = (one: string): boolean => /^(unix:|\[|\d+(\.\d+){3}:)/.test(one);

const at = (name: string, en: string, zh: string) => ({ path: `gateway.redis.${name}`, text: say(en, zh) });

export const redisRules: readonly Rule[] = [
  ({ gateway: { redis: its } }, given) => {
    if (its.nodes.length > 0 || given.has('gateway.redis.nodes')) return [];
    return [...given.keys()]
      .filter((path) => /^gateway\.redis\.(username|passwordFile)$/.test(path))
      .map((path) => ({
        path,
        text: say(
          'says how to reach a Redis, and gateway.redis.nodes names none',
          '说明了如何连接 Redis，但 gateway.redis.nodes 未给出节点',
        ),
      }));
  },
  ({ gateway: { redis: its } }) =>
    its.nodes
      .filter((one) => Number(/:(\d+)$/.exec(one)?.[1] ?? 1) > 65_535 || /:0+$/.test(one))
      .map((one) => at('nodes', `${one}: a port is a number from 1 to 65535`, `${one}：端口须为 1 到 65535 的数字`)),
  ({ gateway: { redis: its } }) =>
    its.cluster || its.nodes.length <= 1
      ? []
      : [
          at(
            'nodes',
            'several servers are a cluster: set cluster: true, or name one',
            '多个节点只用于集群：请设 cluster: true，或只保留一个',
          ),
        ],
  ({ gateway: { redis: its } }) =>
    its.cluster && its.nodes.some((one) => one.startsWith('unix:'))
      ? [at('nodes', 'nodes of a cluster have no socket: host:port', '集群节点不能是套接字：请用 host:port')]
      : [],
  ({ gateway: { redis: its } }) =>
    its.cluster && its.database !== 0 ? [at('database', 'a cluster has database 0 only', '集群只有 0 号数据库')] : [],
  ({ gateway: { redis: its } }) =>
    its.username !== undefined && its.passwordFile === undefined && its.nodes.length > 0
      ? [at('username', 'a user needs a password: passwordFile', '用户需要密码：passwordFile')]
      : [],
  ({ gateway: { redis: its } }) => {
    const { enabled, ca, serverName } = its.tls;
    if (!enabled)
      return ca === undefined && serverName === undefined
        ? []
        : [at('tls', 'is of no use without enabled: true', '未设 enabled: true 时无效')];
    if (ca === undefined) return [at('tls.ca', 'is needed with TLS', '启用 TLS 时必填')];
    const named = serverName !== undefined || !its.nodes.some(isAddress);
    return named ? [] : [at('tls.serverName', 'is needed where nodes are given by address', '节点以地址给出时必填')];
  },
];
