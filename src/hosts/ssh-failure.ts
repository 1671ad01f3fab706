/** What ssh and sudo write when they fail, told apart: pure readers, one line of the tables per failure. */
import { UserError } from '../errors.js';
import type { SshTarget } from '../remote.js';
import { say, type Text } from '../say.js';
import { spoken } from './ssh-target.js';

interface Kind {
  readonly id: string;
  readonly sign: RegExp;
  readonly what: Text;
  readonly hint: (target: SshTarget) => Text;
}

const tryByHand = (target: SshTarget): Text =>
  say(`See more with: ssh -v ${handWords(target)}`, `查看详情：ssh -v ${handWords(target)}`);

const handWords = (target: SshTarget): string =>
  [
    ...(target.bastion ? ['-J', jump(target)] : []),
    ...(target.port === undefined ? [] : ['-p', target.port]),
    ...(target.identityFile === undefined ? [] : ['-i', target.identityFile]),
    `${target.user === undefined ? '' : `${target.user}@`}${target.address}`,
  ].join(' ');

function jump({ bastion }: SshTarget): string {
  const { user, address, port } = bastion!;
  return `${user === undefined ? '' : `${user}@`}${address}${port === undefined ? '' : `:${port}`}`;
}

// The first that fits decides: a changed key also says that verification failed.
const sshKinds: readonly Kind[] = [
  {
    id: 'ssh.host-key-changed',
    sign: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed/i,
    what: say(
      'it shows another host key than before: either it was installed anew, or somebody stands in between',
      '主机密钥与之前不同：主机可能重装过，也可能有人在中间截取连接',
    ),
    hint: ({ address, port }) => {
      const name = port === undefined || port === 22 ? address : `[${address}]:${port}`;
      return say(
        `Compare the fingerprint on the host itself (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); when it was reinstalled: ssh-keygen -R '${name}'`,
        `请在主机上核对指纹（ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub）；若确实重装过：ssh-keygen -R '${name}'`,
      );
    },
  },
  {
    id: 'ssh.host-key-unknown',
    sign: /No .* host key is known for|Host key verification failed/i,
    what: say('its host key is not known here yet', '本机尚不认识它的主机密钥'),
    hint: (target) =>
      say(
        `Connect once by hand and compare the fingerprint (ssh ${handWords(target)}), or pass --accept-new-host-keys.`,
        `先手动连接一次并核对指纹（ssh ${handWords(target)}），或加上 --accept-new-host-keys。`,
      ),
  },
  {
    id: 'ssh.key-file',
    sign: /UNPROTECTED PRIVATE KEY FILE|Bad owner or permissions|bad permissions/i,
    what: say(
      'a key or configuration file of ssh can be read by others, so ssh refuses it',
      'ssh 的密钥或配置文件权限过宽，ssh 拒绝使用',
    ),
    hint: () => say('Take the rights from others: chmod go-rwx FILE', '收回他人的权限：chmod go-rwx 文件'),
  },
  {
    id: 'ssh.config',
    sign: /bad configuration option|Bad (?:configuration|number|yes\/no|argument)|keyword .* extra arguments/i,
    what: say("ssh does not understand the user's configuration", 'ssh 无法理解用户的配置'),
    hint: () => say('Mend ~/.ssh/config.', '请修正 ~/.ssh/config。'),
  },
  {
    id: 'ssh.denied',
    sign: /Permission denied|Too many authentication failures|No supported authentication methods/i,
    what: say('it accepts none of our keys', '它不接受我们的任何密钥'),
    hint: (target) =>
      say(
        `Put your public key there: ssh-copy-id ${handWords(target)} (a key with a passphrase must be in the agent: ssh-add)`,
        `请把公钥放到该主机：ssh-copy-id ${handWords(target)}（带口令的密钥须先加入代理：ssh-add）`,
      ),
  },
  {
    id: 'ssh.name',
    sign: /Could not resolve hostname|Name or service not known/i,
    what: say('no address is known for that name', '无法解析该主机名'),
    hint: () => say('Check the address in the configuration, and DNS.', '请检查配置中的地址和 DNS。'),
  },
  {
    id: 'ssh.refused',
    sign: /Connection refused/i,
    what: say('nothing listens there on that port', '该端口上没有服务在监听'),
    hint: () => say('Is sshd running on it, and is the port right?', '请确认主机上 sshd 已运行，且端口正确。'),
  },
  {
    id: 'ssh.timeout',
    sign: /timed? ?out/i,
    what: say('it does not answer in time', '未在时限内应答'),
    hint: () => say('Is it switched on, and does a firewall let us through?', '请确认主机已开机，且防火墙允许访问。'),
  },
  {
    id: 'ssh.unreachable',
    sign: /No route to host|Network is (?:unreachable|down)|Host is down|Cannot assign requested address/i,
    what: say('there is no way to it from here', '从本机无法到达'),
    hint: () => say('Check the address, the network and the VPN.', '请检查地址、网络和 VPN。'),
  },
  {
    id: 'ssh.algorithms',
    sign: /no matching (?:host key type|key exchange method|cipher|mac)/i,
    what: say('its ssh and ours share no algorithm', '双方的 ssh 没有共同支持的算法'),
    hint: tryByHand,
  },
  {
    id: 'ssh.closed',
    sign: /Connection (?:reset|closed)|kex_exchange_identification|Broken pipe|disconnect/i,
    what: say('it closed the connection before we were in', '登录前连接即被对方关闭'),
    hint: tryByHand,
  },
];

const sudoKinds: readonly Kind[] = [
  {
    id: 'sudo.missing',
    sign: /sudo: command not found/,
    what: say('it has no sudo, and we are not root there', '主机上没有 sudo，而登录用户不是 root'),
    hint: () => say('Install sudo there, or log in as root.', '请安装 sudo，或以 root 登录。'),
  },
  {
    id: 'sudo.wrong-password',
    sign: /try again|incorrect password|Authentication failure/i,
    what: say('sudo does not accept the password', 'sudo 不接受该密码'),
    hint: () =>
      say('Give the right one; it is that of the user we log in as.', '请提供正确的密码，即登录用户自己的密码。'),
  },
  {
    id: 'sudo.password-needed',
    sign: /a password is required|terminal is required|no password was provided|no askpass/i,
    what: say('sudo asks for a password', 'sudo 需要密码'),
    hint: () =>
      say(
        'Pass --ask-sudo-password, or allow it without one (NOPASSWD).',
        '请加上 --ask-sudo-password，或配置免密（NOPASSWD）。',
      ),
  },
  {
    id: 'sudo.needs-tty',
    sign: /must have a tty/i,
    what: say('sudo wants a terminal (requiretty)', 'sudo 要求终端（requiretty）'),
    hint: (target) => {
      const user = target.user ?? 'USER';
      return say(
        `Put into /etc/sudoers there: Defaults:${user} !requiretty`,
        `请在该主机 /etc/sudoers 中加入：Defaults:${user} !requiretty`,
      );
    },
  },
  {
    id: 'sudo.not-allowed',
    sign: /not in the sudoers file|not allowed to|may not run sudo|cannot run|not permitted/i,
    what: say('that user may not become root through sudo', '该用户无权通过 sudo 成为 root'),
    hint: (target) => {
      const user = target.user ?? 'USER';
      return say(
        `Allow it there: usermod -aG sudo ${user} (wheel on RHEL), or log in as another user.`,
        `请授权：usermod -aG sudo ${user}（RHEL 为 wheel），或换一个用户登录。`,
      );
    },
  },
];

const where = (target: SshTarget): string =>
  spoken(target) === target.name ? target.name : `${target.name} (${spoken(target)})`;

function failure(target: SshTarget, kinds: readonly Kind[], fallback: string, said: string): UserError {
  const kind = kinds.find(({ sign }) => sign.test(said));
  const last = said.trim().split('\n').at(-1)?.trim() || 'no word why';
  const what = kind?.what ?? say(last, last);
  return new UserError(kind?.id ?? fallback, say(`${where(target)}: ${what.en}.`, `${where(target)}：${what.zh}。`), {
    hint: (kind?.hint ?? tryByHand)(target),
    exit: 'unready',
    cause: new Error(said.trim() || 'no output'),
  });
}

/** @param said what ssh wrote when no connection came about */
export const sshFailure = (target: SshTarget, said: string): UserError => failure(target, sshKinds, 'ssh.failed', said);

/** @param said what came before root was reached */
export const sudoFailure = (target: SshTarget, said: string): UserError =>
  failure(target, sudoKinds, 'sudo.failed', said);

/** The connection broke after the command had begun: it may still be running there. */
export const sshLost = (target: SshTarget, said: string): UserError =>
  new UserError(
    'ssh.lost',
    say(
      `${where(target)}: the connection broke in the middle of a command.`,
      `${where(target)}：命令执行途中连接中断。`,
    ),
    {
      hint: say(
        'The command may still be running there. When the host answers again, the same command carries on.',
        '命令可能仍在该主机上运行。主机恢复后，重新执行同一命令即可继续。',
      ),
      cause: new Error(said.trim() || 'no output'),
    },
  );

export const sshMissing = (cause: unknown): UserError =>
  new UserError('ssh.missing', say('There is no ssh program on this machine.', '本机没有 ssh 程序。'), {
    hint: say(
      'Install it: apt-get install openssh-client',
      '请安装：apt-get install openssh-client（RHEL 为 openssh-clients）',
    ),
    exit: 'unready',
    cause,
  });
