import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { openSsh } from '../../src/hosts/ssh.js';

it('the sockets of a run that was killed go with the next one, those of a living one stay', async () => {
  const env = { ...process.env };
  delete env.XDG_RUNTIME_DIR;
  // Beyond the largest pid that Linux gives (2^22).
  const dead = `${tmpdir()}/dd-4999999-abcdef`;
  const other = `${tmpdir()}/dd-notours`;
  mkdirSync(dead, { recursive: true });
  mkdirSync(other, { recursive: true });
  const one = openSsh({ knownHosts: '/none' }, env);
  const mine = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`dd-${process.pid}-`));
  expect(existsSync(dead)).toBe(false);
  expect(mine()).toHaveLength(1);
  const two = openSsh({ knownHosts: '/none' }, env);
  expect(mine()).toHaveLength(2);
  expect(existsSync(other)).toBe(true);
  await one.close();
  await two.close();
  expect(mine()).toEqual([]);
  rmSync(other, { recursive: true });
});
