/** How root is reached, with a sudo that reads like the real one (test/hosts tries that). */
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { openSsh, type SshHost } from '../../src/hosts/ssh.js';
import { sh } from './contract.js';
import { sshdPath, startSshd } from './sshd.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

// -n never asks; -S takes one line of standard input, byte by byte; three tries. What it was given is noted.
const fakeSudo = (folder: string) => `#!/bin/sh
printf '%s\\n' "$*" >>${folder}/log
mode=$(cat ${folder}/mode)
case $mode in
  tty) echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1 ;;
  stranger) echo "u is not in the sudoers file." >&2; exit 1 ;;
esac
ask=yes; [ "$mode" = free ] && ask=no
while [ $# -gt 0 ]; do
  case $1 in
    -n) [ $ask = no ] || { echo "sudo: a password is required" >&2; exit 1; }; shift ;;
    -k|-S) shift ;; -p) shift 2 ;; --) shift; break ;; *) break ;;
  esac
done
tries=0
while [ $ask = yes ]; do
  IFS= read -r line || { echo "sudo: no password was provided" >&2; exit 1; }
  echo "given: $line" >>${folder}/log
  [ "$line" = "right one" ] && break
  tries=$((tries+1)); [ $tries -lt 3 ] || { echo "sudo: 3 incorrect password attempts" >&2; exit 1; }
  echo "Sorry, try again." >&2
done
DD_ROOT=yes exec "$@"
`;

interface Setup {
  readonly host: SshHost;
  /** What sudo was called with and given. */
  log(): string;
}

/** Logs in as somebody who is not root, also when we are. */
async function behindSudo(mode: string, password?: string): Promise<Setup> {
  const folder = mkdtempSync(`${tmpdir()}/dd-sudo-`);
  chmodSync(folder, 0o755);
  if (mode !== 'missing') writeFileSync(`${folder}/sudo`, fakeSudo(folder), { mode: 0o755 });
  else for (const name of ['sh', 'id', 'timeout']) symlinkSync(`/usr/bin/${name}`, `${folder}/${name}`);
  writeFileSync(`${folder}/mode`, mode);
  writeFileSync(`${folder}/log`, '');
  chmodSync(`${folder}/log`, 0o666);
  const path = mode === 'missing' ? folder : `${folder}:$PATH`;
  const drop = userInfo().uid === 0 ? '/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups ' : '';
  const sshd = await startSshd({ lines: [`ForceCommand PATH="${path}" ${drop}sh -c "$SSH_ORIGINAL_COMMAND"`] });
  const ssh = openSsh(sshd.settings, process.env);
  const sudoPassword = { name: 'sudo-password', get: async () => password! };
  open.push({ close: async () => rmSync(folder, { recursive: true }) }, sshd, ssh);
  return {
    host: ssh.host({ ...sshd.target, ...(password === undefined ? {} : { sudoPassword }) }),
    log: () => readFileSync(`${folder}/log`, 'utf8'),
  };
}

const root = { ...sh('printf %s "$DD_ROOT:"; cat'), sudo: true, stdin: 'the input\n.\n' };

describe.skipIf(!sshdPath)('root through sudo', () => {
  it('without a password', async () => {
    const { host, log } = await behindSudo('free');
    expect(await host.run(root)).toEqual({ code: 0, stdout: 'yes:the input\n.\n', stderr: '' });
    expect(log()).toMatch(/^-n -- sh -c /);
  });

  it('with a password, on standard input and nowhere else', async () => {
    const { host, log } = await behindSudo('password', 'right one');
    expect(await host.run(root)).toEqual({ code: 0, stdout: 'yes:the input\n.\n', stderr: '' });
    const [call, ...given] = log().trim().split('\n');
    expect(call).not.toContain('right one');
    expect(given).toEqual(['given: right one']);
  });

  it('with a password that is not asked for, which is then no part of the script or the input', async () => {
    for (const password of ['right one', '|echo broken', '.', '$(id)']) {
      const { host } = await behindSudo('free', password);
      expect(await host.run(root)).toEqual({ code: 0, stdout: 'yes:the input\n.\n', stderr: '' });
    }
  });

  it('questions of one moment ask for it once', async () => {
    const { host, log } = await behindSudo('password', 'right one');
    const asked = ['a', 'b', 'c'].map((word) =>
      host.questions.host.run({ ...sh('printf %s "$DD_ROOT:$1"', word), sudo: true }),
    );
    expect((await Promise.all(asked)).map(({ stdout }) => stdout)).toEqual(['yes:a', 'yes:b', 'yes:c']);
    expect(log().match(/given: right one/g)).toHaveLength(1);
  });

  it('with files', async () => {
    const { host } = await behindSudo('password', 'right one');
    const folder = (await host.run({ argv: ['mktemp', '-d', '/tmp/dd-put-XXXXXX'] })).stdout.trim();
    await host.put(`${folder}/file`, 'content', { sudo: true, mode: 0o640 });
    expect(await host.read(`${folder}/file`, { sudo: true })).toBe('content');
    await host.run({ argv: ['rm', '-r', folder] });
  });

  it('ends what runs as root when it is called off', async () => {
    const { host } = await behindSudo('password', 'right one');
    const stop = new AbortController();
    const startedAt = performance.now();
    const running = host.run(
      { ...sh('echo begun; sleep 30'), sudo: true },
      { signal: stop.signal, onLine: () => stop.abort() },
    );
    expect((await running).code).toBe(130);
    expect(performance.now() - startedAt).toBeLessThan(6000);
  });

  it.each([
    ['password', undefined, 'sudo.password-needed'],
    ['tty', undefined, 'sudo.needs-tty'],
    ['stranger', undefined, 'sudo.not-allowed'],
    ['missing', undefined, 'sudo.missing'],
  ])('a sudo in the mood "%s" (password %s) is told as %s', async (mode, password, id) => {
    const { host } = await behindSudo(mode, password);
    await expect(host.run(root)).rejects.toMatchObject({ name: 'UserError', id });
  });

  it('a wrong password is given once, and nothing else in its place', async () => {
    const { host, log } = await behindSudo('password', 'wrong');
    await expect(host.run(root)).rejects.toMatchObject({ id: 'sudo.wrong-password' });
    expect(
      log()
        .split('\n')
        .filter((line) => line.startsWith('given')),
    ).toEqual(['given: wrong']);
  });
});
