/** The scripts of the firewall's step, in a real shell, against programs that keep what they are told as firewalld and ufw do. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { blockedScript, closeScript, openScript } from '../../src/steps/host-firewall.js';

const folder = mkdtempSync(`${tmpdir()}/dd-firewall-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Rules in force and those of the next boot, as the real one keeps them apart; each call is noted.
const firewalld = `#!/bin/sh
echo "$*" >>"$FW/calls"
which=now
for word; do
  case $word in
    --state) echo running; exit ;;
    --permanent) which=kept ;;
    --list-sources) cat "$FW/$which" 2>/dev/null | tr '\\n' ' '; echo; exit ;;
    --add-source=*) grep -qxF "\${word#*=}" "$FW/$which" 2>/dev/null || echo "\${word#*=}" >>"$FW/$which" ;;
    --remove-source=*) grep -vxF "\${word#*=}" "$FW/$which" >"$FW/new"; mv "$FW/new" "$FW/$which" ;;
  esac
done`;
// Prints its rules as ufw 0.36 does.
const ufw = `#!/bin/sh
echo "$*" >>"$FW/calls"
case $* in
  status) printf 'Status: active\\n\\nTo                         Action      From\\n--                         ------      ----\\n22/tcp                     ALLOW       Anywhere\\n'
    [ ! -e "$FW/now" ] || sed 's/^/Anywhere                   ALLOW       /' "$FW/now" ;;
  'allow from '*) echo "$3" >>"$FW/now" ;;
  'delete allow from '*) grep -vxF "$4" "$FW/now" >"$FW/new"; mv "$FW/new" "$FW/now" ;;
esac`;
const none = '#!/bin/sh\nexit 1';

const put = (name: string, text: string): void => writeFileSync(`${folder}/${name}`, `${text}\n`, { mode: 0o755 });
const run = (script: string, ...words: string[]): string =>
  execFileSync('sh', ['-c', script, 'step', ...words], {
    encoding: 'utf8',
    env: { PATH: `${folder}:${process.env.PATH}`, FW: folder },
  });
const lines = (name: string): string[] => readFileSync(`${folder}/${name}`, 'utf8').split('\n').filter(Boolean);

const ranges = ['10.0.0.11', '10.0.0.12', '10.244.0.0/16', '10.96.0.0/12'];
const blocked = (): string[] =>
  run(blockedScript, ...ranges)
    .split('\n')
    .filter(Boolean);

beforeEach(() => {
  for (const name of ['now', 'kept', 'calls', 'record']) rmSync(`${folder}/${name}`, { force: true });
});

describe.each([
  ['firewalld', firewalld, none],
  ['ufw', none, ufw],
])('%s', (_, first, second) => {
  beforeEach(() => {
    put('firewall-cmd', first);
    put('ufw', second);
  });

  it('is opened to what it lets through not yet, and closed again to that alone', () => {
    run(openScript, `${folder}/theirs`, '10.0.0.11');
    expect(blocked()).toEqual(ranges.slice(1));
    run(openScript, `${folder}/record`, ...blocked());
    expect(blocked()).toEqual([]);
    run(closeScript, `${folder}/record`);
    expect(blocked()).toEqual(ranges.slice(1));
    expect(() => lines('record')).toThrow();
  });

  it('an address is not taken for a longer one', () => {
    run(openScript, `${folder}/record`, '10.0.0.110', '10.0.0.11/32');
    expect(blocked()).toEqual(ranges);
  });
});

describe('firewalld', () => {
  beforeEach(() => {
    put('firewall-cmd', firewalld);
    put('ufw', none);
  });

  it('is called as often for a hundred hosts as for one', () => {
    const many = Array.from({ length: 100 }, (_, at) => `10.0.1.${at}`);
    run(openScript, `${folder}/record`, ...many);
    expect(run(blockedScript, ...many)).toBe('');
    expect(lines('calls')).toHaveLength(6);
  });

  it('that forgets at the next boot is opened once more', () => {
    run(openScript, `${folder}/record`, ...ranges);
    rmSync(`${folder}/kept`);
    expect(blocked()).toEqual(ranges);
  });
});

it('without a firewall nothing is blocked', () => {
  put('firewall-cmd', none);
  put('ufw', none);
  expect(blocked()).toEqual([]);
});
