import { diagnose } from '../checks/gpu.js';
import type { Diagnosis, Evidence, Severity } from '../checks/gpu-diagnosis.js';
import { evidenceOf, isHost } from '../checks/gpu-evidence.js';
import { UserError } from '../errors.js';
import { askHost, type HostFacts, readHost } from '../probes/host.js';
import { mask, type Private } from '../probes/mask.js';
import { decoded } from '../probes/paste.js';
import { gpuHeading, gpuLines, gpuRow, hostLines, type Line } from '../probes/portrait.js';
import { ask, type Section } from '../probes/probe.js';
import { isRecording, readRecording, writeRecording } from '../probes/recording.js';
import { say, type Text } from '../say.js';
import { columns, padEnd, table } from '../table.js';
import type { Verb } from '../verb.js';
import type { Ui, World } from '../world.js';

/** Larger than what the biggest machine prints by far. */
const largest = 32 << 20;

const understoodForms: readonly Text[] = [
  say('a recording of deepseek-deploy probe --record', 'deepseek-deploy probe --record 的录制文件'),
  say('nvidia-smi, its table', 'nvidia-smi 的表格输出'),
  say('nvidia-smi -q, with or without -x or -d', 'nvidia-smi -q（可带 -x 或 -d）'),
  say(
    'nvidia-smi --query-gpu=… or --query-compute-apps=… with --format=csv',
    'nvidia-smi --query-gpu=… 或 --query-compute-apps=…(--format=csv)',
  ),
  say(
    'nvidia-smi -L, --version, topo -m, nvlink -s, mig -lgi, dmon, pmon',
    'nvidia-smi -L、--version、topo -m、nvlink -s、mig -lgi、dmon、pmon',
  ),
  say('their error messages, lspci, and NVRM lines of dmesg', '它们的错误信息、lspci，以及 dmesg 中的 NVRM 行'),
];

const notUnderstood = (why: Text): UserError =>
  new UserError('probe.not-understood', why, {
    exit: 'usage',
    details: understoodForms,
    hint: say(
      'On the machine in question: nvidia-smi -q -x > gpu.xml; then: deepseek-deploy probe --replay gpu.xml',
      '在目标机器上执行 nvidia-smi -q -x > gpu.xml，然后执行 deepseek-deploy probe --replay gpu.xml',
    ),
  });

async function bytesOf(world: World, file: string): Promise<Uint8Array> {
  if (file === '-') return world.stdin(largest + 1);
  const path = file.startsWith('/') ? file : `${world.cwd}/${file}`;
  const stat = await world.files.stat(path);
  if (!stat || stat.directory) {
    throw new UserError('probe.no-file', say(`There is no file ${file}.`, `找不到文件 ${file}。`), { exit: 'usage' });
  }
  if (stat.size > largest) return new Uint8Array(largest + 1);
  return world.files.readBytes(path).catch((cause) => {
    throw new UserError('probe.no-file', say(`${file} cannot be read.`, `无法读取 ${file}。`), {
      exit: 'usage',
      cause,
    });
  });
}

async function textOf(world: World, file: string): Promise<string> {
  const bytes = await bytesOf(world, file);
  const limit = `${largest >> 20} MiB`;
  if (bytes.length > largest)
    throw notUnderstood(
      say(`That is more than ${limit}, too much for an output.`, `内容超过 ${limit}，不像是命令输出。`),
    );
  const text = decoded(bytes);
  if (text === undefined) throw notUnderstood(say('That is not text.', '这不是文本文件。'));
  if (text.trim() === '') throw notUnderstood(say('That is empty.', '内容为空。'));
  return text;
}

/** A recording's own sections, or the pasted text as the only one. */
async function replayed(world: World, file: string): Promise<Section[]> {
  const text = await textOf(world, file);
  const sections = isRecording(text)
    ? readRecording(text)
    : [{ line: 'nvidia-smi', result: { code: 0, stdout: text, stderr: '' } }];
  const facts = readHost(sections);
  if (facts.gpu === undefined && !isHost(facts)) {
    throw notUnderstood(say('No output of a known form is in there.', '其中没有可识别的输出。'));
  }
  return sections;
}

async function privateOf(world: World): Promise<Private> {
  const [node, id] = await Promise.all([
    ask(world.host, { argv: ['uname', '-n'], timeoutMs: 5000 }),
    ask(world.host, { argv: ['id', '-un'], timeoutMs: 5000 }),
  ]);
  const full = node.stdout.trim();
  const { HOME = '', USER, LOGNAME, SUDO_USER, HOSTNAME } = world.env;
  const known = (names: readonly (string | undefined)[]): string[] =>
    names.filter((name) => name !== undefined && name !== '') as string[];
  return {
    hosts: known([full, full.split('.')[0], HOSTNAME]),
    users: known([id.stdout.trim(), USER, LOGNAME, SUDO_USER, HOME.split('/').pop()]),
    paths: { [world.places.home]: 'state', [world.places.cache]: 'cache' },
  };
}

async function record(world: World, sections: readonly Section[], file: string): Promise<void> {
  const path = file.startsWith('/') ? file : `${world.cwd}/${file}`;
  const made = `${new Date(world.clock.now()).toISOString().slice(0, 10)}, names, addresses, UUIDs and serials masked`;
  const text = writeRecording(mask(sections, await privateOf(world)), made);
  try {
    await world.files.write(path, text, 0o644);
  } catch (cause) {
    throw new UserError('probe.record', say(`${file} cannot be written.`, `无法写入 ${file}。`), {
      exit: 'usage',
      cause,
    });
  }
  world.ui.line(
    say(
      `Recorded to ${file}. Names, addresses, UUIDs and serial numbers are masked; look it over before you share it.`,
      `已录制到 ${file}。名称、地址、UUID 和序列号均已屏蔽；分享前请再检查一遍。`,
    ),
  );
}

const english = ({ id, severity, found, why, cure, gpus, says, detail }: Diagnosis) => ({
  id,
  severity,
  found: found.en,
  ...(why ? { why: why.en } : {}),
  cure: cure.en,
  ...(gpus ? { gpus } : {}),
  ...(says ? { says } : {}),
  ...(detail ? { detail } : {}),
});

/**
 * The one JSON document. `kind` is 'diagnosis' as soon as a fault was found, else 'picture'; a half-dead node has both,
 * the living GPUs in `picture` and the faults in `diagnoses`. `notes` are warnings and hints, never a reason for exit 1.
 * `host` is there for a machine that was asked or a recording of one.
 * @returns `{ kind, forms, picture: { driver?, cuda?, cudaDerived?, attached?, gpus: Gpu[], topology? }, diagnoses:
 * { id, severity, found, why?, cure, gpus?, says?, detail? }[], notes: same[], host? }`; for what is not understood
 * `{ kind: 'unknown', error: { id, message, hint }, understood: string[] }`.
 */
export function probeJson(facts: HostFacts): Record<string, unknown> {
  const evidence = evidenceOf(facts);
  const all = diagnose(evidence);
  const faults = all.filter(({ severity }) => severity === 'fault');
  const { gpu, ...host } = facts;
  return {
    kind: faults.length > 0 ? 'diagnosis' : 'picture',
    forms: (gpu?.forms ?? []).filter((form) => form !== 'error' || all.length > 0),
    picture: evidence.picture,
    diagnoses: faults.map(english),
    notes: all.filter(({ severity }) => severity !== 'fault').map(english),
    ...(isHost(facts) ? { host } : {}),
  };
}

function showLines(ui: Ui, lines: readonly Line[]): void {
  const names = lines.map(([name]) => ui.text(name));
  const width = Math.max(0, ...names.map(columns));
  for (const [at, [, says]] of lines.entries()) ui.line(`${ui.paint.dim(padEnd(names[at]!, width))}  ${ui.text(says)}`);
}

const marks: Readonly<Record<Severity, string>> = { fault: '✗', warning: '!', note: '·' };

function showFinding(ui: Ui, { id, severity, found, parts = [found], why, cure, says }: Diagnosis): void {
  const paint = severity === 'fault' ? ui.paint.bad : severity === 'warning' ? ui.paint.warn : ui.paint.dim;
  ui.line(`${paint(marks[severity])} ${ui.text(parts[0]!)}  ${ui.paint.dim(id)}`);
  for (const part of parts.slice(1)) ui.line(`  ${ui.text(part)}`);
  if (severity === 'note') return;
  if (says !== undefined) ui.line(ui.paint.dim(`  “${says.slice(0, 160)}”`));
  if (why) ui.line(`  ${ui.text(why)}`);
  ui.line(`  ${ui.paint.accent('→')} ${ui.text(cure)}`);
}

/** Columns that say something of at least one GPU. */
function showGpus(ui: Ui, { gpus }: Evidence['picture']): void {
  const rows = gpus.map(gpuRow);
  const told = gpuHeading.map((_, at) => at === 0 || rows.some((row) => row[at] !== '–'));
  // A list of numbers says no more than their count.
  if (told.filter(Boolean).length < 2) return;
  const pick = (row: readonly string[]): string[] => row.filter((_, at) => told[at]);
  const right = gpuHeading
    .map((_, at) => ({ align: at >= 2 && at <= 6 ? ('right' as const) : ('left' as const) }))
    .filter((_, at) => told[at]);
  const [heading, ...body] = table([pick(gpuHeading.map((text) => ui.text(text))), ...rows.map(pick)], right, '  ');
  ui.line(ui.paint.dim(heading!));
  for (const row of body) ui.line(row);
  if (gpus.some(({ memory }) => memory?.unified))
    ui.line(ui.paint.dim(ui.text(say("  * shares the host's memory", '  * 与主机共用内存'))));
}

const quiet = say('No NVIDIA GPU in this machine.', '这台机器没有 NVIDIA GPU。');
const well = say('No fault found.', '未发现故障。');

function show(ui: Ui, facts: HostFacts): void {
  const evidence = evidenceOf(facts);
  const findings = diagnose(evidence);
  const gpu = gpuLines(evidence.picture);
  const none = isHost(facts) && evidence.picture.gpus.length === 0 && findings.length === 0;
  const heading: Line[] = none ? [[say('GPUs', 'GPU'), quiet]] : gpu;
  const lines = [...hostLines(facts), ...heading];
  showLines(ui, lines);
  showGpus(ui, evidence.picture);
  if (findings.length > 0 && lines.length > 0) ui.line();
  for (const finding of findings) showFinding(ui, finding);
  if (!none && gpu.length > 0 && !findings.some(({ severity }) => severity === 'fault'))
    ui.line(`${ui.paint.good('✔')} ${ui.text(well)}`);
}

async function gathered(world: World, replay: string | undefined): Promise<Section[]> {
  if (replay !== undefined) return replayed(world, replay);
  return world.ui.wait(say('Looking at this machine', '正在查看这台机器'), () => askHost(world));
}

function unknownJson(error: UserError): string {
  const { id, text, hint } = error;
  const body = { id, message: text.en, ...(hint ? { hint: hint.en } : {}) };
  return JSON.stringify({ kind: 'unknown', error: body, understood: understoodForms.map(({ en }) => en) }, null, 2);
}

export const verb: Verb = {
  options: [
    {
      flags: '--record <file>',
      says: say(
        'Write a masked recording of this machine, for a bug report',
        '写出这台机器的脱敏录制文件，用于报告问题',
      ),
    },
    {
      flags: '--replay <file>',
      says: say(
        'Read a recording, or any output of nvidia-smi or its error, instead; - is standard input',
        '改为读取录制文件，或 nvidia-smi 的任意输出或报错；- 表示标准输入',
      ),
    },
  ],
  examples: [
    {
      line: 'deepseek-deploy probe',
      says: say('GPUs, driver, CPU, memory, disk, ports', 'GPU、驱动、CPU、内存、磁盘、端口'),
    },
    { line: 'deepseek-deploy probe --record host.txt', says: say('For a bug report', '用于报告问题') },
    {
      line: 'nvidia-smi 2>&1 | deepseek-deploy probe --replay -',
      says: say('What does this output mean?', '解读这段输出'),
    },
  ],
  async run(input, world) {
    const { record: to, replay } = input.options as { record?: string; replay?: string };
    if (to !== undefined && replay !== undefined) {
      throw new UserError(
        'probe.both',
        say('--record and --replay do not go together.', '--record 与 --replay 不能同时使用。'),
        { exit: 'usage' },
      );
    }
    try {
      const sections = await gathered(world, replay);
      const facts = readHost(sections);
      const json = probeJson(facts);
      if (input.json) world.ui.out(`${JSON.stringify(json, null, 2)}\n`);
      else show(world.ui, facts);
      if (to !== undefined) await record(world, sections, to);
      return json.kind === 'diagnosis' ? 'problem' : 'ok';
    } catch (error) {
      if (!input.json || !(error instanceof UserError) || error.id !== 'probe.not-understood') throw error;
      world.ui.out(`${unknownJson(error)}\n`);
      return error.exit;
    }
  },
};
