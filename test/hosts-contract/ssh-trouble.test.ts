/** What goes wrong on the way to a host, against a real sshd: each its own error, before anything ran. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openSsh, type Ssh, type SshSettings, type SshTarget } from '../../src/hosts/ssh.js';
import { argumentLists, sh } from './contract.js';
import { freePort, type Sshd, sessionsOf, sshdPath, startSshd } from './sshd.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function sshd(options?: Parameters<typeof startSshd>[0]): Promise<Sshd> {
  const made = await startSshd(options);
  open.push(made);
  return made;
}

function ssh(settings: SshSettings): Ssh {
  const made = openSsh(settings, process.env);
  open.push(made);
  return made;
}

const host = (at: Sshd, target: Partial<SshTarget> = {}, settings: Partial<SshSettings> = {}) =>
  ssh({ ...at.settings, ...settings }).host({ ...at.target, ...target });

const fails = (work: Promise<unknown>, id: string) => expect(work).rejects.toMatchObject({ name: 'UserError', id });
const hello = sh('echo hello');

describe.skipIf(!sshdPath)('the way to a host', () => {
  it('nobody listens', async () => {
    const at = await sshd();
    await fails(host(at, { port: await freePort() }).run(hello), 'ssh.refused');
  });

  it('somebody listens and says nothing', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    open.push({ close: async () => void silent.close() });
    await new Promise((resolve) => silent.once('listening', resolve));
    const at = await sshd();
    const { port } = silent.address() as { port: number };
    await fails(host(at, { port }, { connectTimeoutS: 1 }).run(hello), 'ssh.timeout');
  });

  it('it takes none of our keys', async () => {
    const at = await sshd();
    writeFileSync(`${at.folder}/authorized`, '');
    await fails(host(at).run(hello), 'ssh.denied');
  });

  it('its key file can be read by others', async () => {
    const at = await sshd();
    execFileSync('chmod', ['644', `${at.folder}/id`]);
    await fails(host(at).run(hello), 'ssh.key-file');
  });

  it("the user's ssh configuration is broken", async () => {
    const at = await sshd();
    writeFileSync(at.settings.configFile!, 'NoSuchKeyword yes\n');
    await fails(host(at).run(hello), 'ssh.config');
  });

  it.each(['-oProxyCommand=touch /tmp/x', 'a b', 'a;b', '', '$(id)', 'a\nb'])(
    'the address %j is none',
    async (address) => {
      const at = await sshd();
      expect(() => host(at, { address })).toThrow(expect.objectContaining({ id: 'ssh.address' }));
      expect(() => host(at, { user: address })).toThrow(expect.objectContaining({ id: 'ssh.address' }));
    },
  );
});

describe.skipIf(!sshdPath)('host keys', () => {
  it('an unknown one is refused, shown, and trusted in a file of our own', async () => {
    const at = await sshd({ knownTo: 'nobody' });
    const remote = host(at);
    await fails(remote.run(hello), 'ssh.host-key-unknown');
    const key = await remote.presentedKey();
    const [, real] = execFileSync('ssh-keygen', ['-lf', `${at.folder}/host.pub`], { encoding: 'utf8' }).split(' ');
    expect(key).toMatchObject({ type: 'ssh-ed25519', fingerprint: real });
    await fails(remote.run(hello), 'ssh.host-key-unknown');
    await remote.trust(key);
    expect((await remote.run(hello)).stdout).toBe('hello\n');
    expect(readFileSync(at.userKnownHosts, 'utf8')).toBe('');
  });

  it('an unknown one is taken when that was asked for, once, by all commands at once', async () => {
    const at = await sshd({ knownTo: 'nobody' });
    const remote = host(at, {}, { newKeys: 'accept' });
    const results = await Promise.all([1, 2, 3].map(() => remote.run(hello)));
    expect(results.map(({ stdout }) => stdout)).toEqual(['hello\n', 'hello\n', 'hello\n']);
    expect(readFileSync(at.settings.knownHosts, 'utf8').trim().split('\n')).toHaveLength(1);
    expect(readFileSync(at.userKnownHosts, 'utf8')).toBe('');
  });

  it.each(['user_known', 'ours'])(
    'a changed one is refused whoever had noted it (%s), and whatever was asked for',
    async (where) => {
      const at = await sshd({ knownTo: 'nobody' });
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${at.folder}/other`]);
      const line = `[127.0.0.1]:${at.port} ${readFileSync(`${at.folder}/other.pub`, 'utf8')}`;
      writeFileSync(`${at.folder}/${where}`, line);
      const knownHosts = `${at.folder}/ours`;
      await fails(host(at, {}, { newKeys: 'accept', knownHosts }).run(hello), 'ssh.host-key-changed');
      expect(readFileSync(`${at.folder}/${where}`, 'utf8')).toBe(line);
    },
  );
});

describe.skipIf(!sshdPath)('a connection', () => {
  it('goes through a bastion, whose key is checked as well', async () => {
    const at = await sshd({ knownTo: 'nobody' });
    const bastion = await sshd({ knownTo: 'nobody' });
    const way: Partial<SshTarget> = { bastion: { ...bastion.target } };
    await fails(host(at, way).run(hello), 'ssh.host-key-unknown');
    expect((await host(at, way, { newKeys: 'accept' }).run(hello)).stdout).toBe('hello\n');
    expect(readFileSync(at.settings.knownHosts, 'utf8').trim().split('\n')).toHaveLength(2);
    // And the connection really is the bastion's: from there comes whoever logs in.
    const { stdout } = await host(at, way).run(sh('echo "$SSH_CONNECTION"'));
    expect(stdout.trim().split(' ')[3]).toBe(String(at.port));
    expect(sessionsOf(bastion.pid).length).toBeGreaterThan(0);
  });

  it('that breaks in the middle of a command says so, and the next command opens another', async () => {
    const at = await sshd();
    const remote = host(at);
    const running = remote.run(sh('echo begun; sleep 30'), {
      onLine: () => {
        for (const pid of sessionsOf(at.pid)) process.kill(pid, 'SIGKILL');
      },
    });
    await fails(running, 'ssh.lost');
    expect((await remote.run(hello)).stdout).toBe('hello\n');
  });

  it('is shared by all who name the same host, also when it has to be opened anew', async () => {
    const at = await sshd();
    const made = ssh(at.settings);
    const mine = () => masters().filter((line) => line.includes(`${at.port}`));
    await Promise.all([1, 2, 3].map((i) => made.host({ ...at.target, name: `h-${i}` }).run(hello)));
    expect(mine()).toHaveLength(1);
    const remote = made.host(at.target);
    for (let i = 0; i < 3; i += 1) {
      const closed = remote.disconnect();
      await remote.run(hello);
      await closed;
    }
    expect(mine()).toHaveLength(1);
  });

  it('that broke between two commands is noticed by nobody', async () => {
    const at = await sshd();
    const remote = host(at);
    await remote.run(hello);
    for (const pid of sessionsOf(at.pid)) process.kill(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await remote.run(hello)).stdout).toBe('hello\n');
  });

  it('leaves no process and no socket behind', async () => {
    const at = await sshd();
    const made = openSsh(at.settings, process.env);
    await made.host(at.target).run(hello);
    const socket = () => masters().filter((line) => line.includes(`${at.port}`));
    expect(socket()).toHaveLength(1);
    const folder = /-S (\S+)\/[0-9a-f]{16} /.exec(socket()[0]!)![1]!;
    expect(readdirSync(folder).length).toBeGreaterThan(0);
    await made.close();
    for (let i = 0; i < 40 && socket().length > 0; i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(socket()).toEqual([]);
    expect(() => readdirSync(folder)).toThrow();
  });

  it('ends by itself a while after we died', async () => {
    const at = await sshd();
    const made = openSsh({ ...at.settings, persistS: 1 }, process.env);
    await made.host(at.target).run(hello);
    const mine = () => masters().filter((line) => line.includes(`${at.port}`));
    const folder = /-S (\S+)\/[0-9a-f]{16} /.exec(mine()[0]!)![1]!;
    for (let i = 0; i < 80 && mine().length > 0; i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(mine()).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  it('is not disturbed by what a login script prints', async () => {
    const at = await sshd({
      lines: ['ForceCommand echo noise; echo noise >&2; printf half; sh -c "$SSH_ORIGINAL_COMMAND"'],
    });
    const lines: string[] = [];
    const result = await host(at).run(sh('echo out; echo err >&2; exit 3'), { onLine: (line) => lines.push(line) });
    expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(lines.sort()).toEqual(['err', 'out']);
  });

  it('into an account without a shell says what that says', async () => {
    const at = await sshd({ lines: ['ForceCommand echo "This account is currently not available."; exit 1'] });
    await expect(host(at).run(hello)).rejects.toMatchObject({
      id: 'ssh.failed',
      message: expect.stringContaining('This account is currently not available.'),
    });
  });

  it('works where the server allows one session at a time', async () => {
    const at = await sshd({ lines: ['MaxSessions 1'] });
    const remote = host(at);
    const results = await Promise.all(Array.from({ length: 6 }, (_, i) => remote.run(sh(`sleep 0.2; echo ${i}`))));
    expect(results.map(({ stdout }) => stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n', '5\n']);
  });
});

const masters = (): string[] => argumentLists().filter((line) => line.startsWith('ssh ') && line.includes(' -M '));
