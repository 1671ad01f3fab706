import { expect, test } from 'vitest';
import { UserError } from '../../src/errors.js';
import { perform } from '../../src/plan/perform.js';
import { say } from '../../src/say.js';
import { reboot } from '../../src/steps/reboot.js';
import { type FakeWorld, fakeWorld } from '../world/fake.js';

/** Answers the questions for the boot id in turn; what is no word is thrown. */
function host(answers: readonly (string | Error)[]): FakeWorld {
  let at = 0;
  return fakeWorld({
    commands: [
      [
        /boot_id/,
        () => {
          const answer = answers[Math.min(at, answers.length - 1)]!;
          at += 1;
          if (typeof answer !== 'string') throw answer;
          return { stdout: `${answer}\n` };
        },
      ],
      [/systemctl reboot/, {}],
    ],
  });
}

const lost = new UserError('ssh.lost', say('the connection broke', '连接中断'));
const away = new UserError('ssh.timeout', say('it does not answer', '无应答'));

async function rebooted(world: FakeWorld): Promise<string[]> {
  const notes: string[] = [];
  for (const action of await reboot(world)) await perform(action, world, ({ en }) => void notes.push(en));
  return notes;
}

test('a host that goes, stays away and comes back with another boot has rebooted', async () => {
  expect(await rebooted(host(['a', 'a', lost, away, away, 'b']))).toEqual(Array(4).fill('not back yet'));
});

test('a host that never goes is told as what it is', async () => {
  await expect(rebooted(host(['a']))).rejects.toMatchObject({ id: 'wait.timeout' });
});

test('a bug in between is no reboot', async () => {
  await expect(rebooted(host(['a', new TypeError('x')]))).rejects.toThrow(TypeError);
});
