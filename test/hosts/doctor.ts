/** The command `doctor`, as somebody types it, on test hosts. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machine } from './machines.js';

const root = join(import.meta.dirname, '../..');

export const machineLine = (machine: Machine, role: string, user: 'root' | 'stranger' = 'root'): string =>
  `    ${machine.name}: {address: ${machine.address}, user: ${user}, roles: [${role}], identityFile: ${machine.target().identityFile}}`;

export interface Said {
  readonly exit: number;
  /** 'host-1:net.ports', ':hosts.hostname', with what was found. */
  readonly failed: Readonly<Record<string, string>>;
  readonly warned: Readonly<Record<string, string>>;
  /** What `init` sees to on hosts that are not set up yet. */
  readonly forInit: readonly string[];
}

interface Check {
  readonly id: string;
  readonly state: string;
  readonly found?: string;
  readonly byInit?: true;
}

export interface Doctor {
  /** @param machines lines of `hosts.machines` */
  look(machines: readonly string[]): Promise<Said>;
  close(): void;
}

export function doctorHere(): Doctor {
  const folder = mkdtempSync(`${tmpdir()}/dd-doctor-`);
  const file = `${folder}/deepseek.yaml`;
  return {
    look(machines) {
      // These hosts have the control groups of the machine they are on.
      const rest = 'kubernetes: {allowCgroupV1: true}';
      writeFileSync(
        file,
        `version: 1\nhosts:\n  acceptNewHostKeys: true\n  machines:\n${machines.join('\n')}\n${rest}\n`,
      );
      return type(['doctor', '--json', '--config', file], folder);
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function type(line: readonly string[], folder: string): Promise<Said> {
  const { code, stdout, stderr } = await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const words = ['src/main.ts', ...line];
    const env = { ...process.env, DEEPSEEK_DEPLOY_HOME: `${folder}/home` };
    const child = execFile(
      `${root}/node_modules/.bin/tsx`,
      words,
      { cwd: root, env, maxBuffer: 1 << 26 },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, stdout: out, stderr: err }),
    );
  });
  if (!stdout.startsWith('{')) throw new Error(`${code}: ${stderr}`);
  const { hosts, together } = JSON.parse(stdout) as {
    hosts: { name: string; phase: string | null; checks: Check[] }[];
    together: Check[];
  };
  const all = [{ name: '', phase: null, checks: together }, ...hosts].flatMap(({ name, phase, checks }) =>
    checks.map((check) => ({ id: `${name}:${check.id}`, check, forInit: phase === 'before' && check.byInit === true })),
  );
  const of = (state: string) =>
    Object.fromEntries(
      all
        .filter(({ check, forInit }) => check.state === state && !forInit)
        .map(({ id, check }) => [id, check.found ?? '']),
    );
  return {
    exit: code,
    failed: of('failed'),
    warned: of('warned'),
    forInit: all.filter(({ forInit }) => forInit).map(({ id }) => id),
  };
}
