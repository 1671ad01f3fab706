/** Whom ssh is called for, and the words of its command line: pure, so that a test can read them. */
import { UserError } from '../errors.js';
import type { SshAddress, SshSettings } from '../remote.js';
import { say } from '../say.js';

// A leading '-' would be an option to ssh (-oProxyCommand=…); blanks and shell signs have no place in either word.
const addressForm = /^[A-Za-z0-9_:][A-Za-z0-9._:%-]*$/;
const userForm = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$/;

/** @throws UserError `ssh.address` for what could be read as anything but an address, a user and a port. */
export function checkAddress({ address, user, port, identityFile }: SshAddress): void {
  const problem = !addressForm.test(address)
    ? say(`"${address}" is not a host address.`, `“${address}”不是有效的主机地址。`)
    : user !== undefined && !userForm.test(user)
      ? say(`"${user}" is not a user name.`, `“${user}”不是有效的用户名。`)
      : port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)
        ? say(`${port} is not a port (1 to 65535).`, `${port} 不是有效端口（1 到 65535）。`)
        : identityFile !== undefined && (/[\0\n"]/.test(identityFile) || identityFile.startsWith('-'))
          ? say(`"${identityFile}" is not a key file.`, `“${identityFile}”不是有效的密钥文件。`)
          : undefined;
  if (problem) throw new UserError('ssh.address', problem, { exit: 'usage' });
}

/** `user@address port 2222`, as the user would say it. */
export const spoken = ({ address, user, port }: SshAddress): string =>
  `${user === undefined ? '' : `${user}@`}${address}${port === undefined ? '' : ` port ${port}`}`;

/**
 * The user's configuration, agent and known hosts hold; these options win over it where an unattended run needs them:
 * never ask, never forward, never run or send what was meant for a terminal.
 * @param globalKnownHosts the files the user's configuration names as the system-wide ones
 */
export function optionWords(settings: SshSettings, globalKnownHosts: readonly string[]): string[] {
  const options = {
    BatchMode: 'yes',
    ConnectTimeout: settings.connectTimeoutS ?? 10,
    ServerAliveInterval: 15,
    ServerAliveCountMax: 4,
    StrictHostKeyChecking: 'yes',
    GlobalKnownHostsFile: [...globalKnownHosts, settings.knownHosts].map((file) => `"${file}"`).join(' '),
    UpdateHostKeys: 'no',
    ForwardAgent: 'no',
    ForwardX11: 'no',
    PermitLocalCommand: 'no',
    ClearAllForwardings: 'yes',
    RemoteCommand: 'none',
    RequestTTY: 'no',
    LogLevel: 'ERROR',
  };
  return [
    ...(settings.configFile === undefined ? [] : ['-F', settings.configFile]),
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
}

/** With a key file given, only it is offered (the agent may still hold it): servers cut off after a few wrong keys. */
export const addressWords = ({ port, user, identityFile }: SshAddress): string[] => [
  ...(port === undefined ? [] : ['-p', String(port)]),
  ...(user === undefined ? [] : ['-l', user]),
  ...(identityFile === undefined ? [] : ['-i', identityFile.replaceAll('%', '%%'), '-o', 'IdentitiesOnly=yes']),
];
