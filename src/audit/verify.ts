/** Whether the audit log is as it was written: every line, every file, and that none is missing. */
import { say, type Text } from '../say.js';
import { check, type Fault, keyOf, type Link, start } from './chain.js';
import { bytesOf, type Log, ledgerName, linesOf, listed, openingPath, openPath, sealedPath } from './files.js';
import { type BookFault, type Closed, type Opened, readLedger, readPruned } from './ledger.js';
import { Broken } from './sealed.js';

export interface Finding {
  readonly id: string;
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  readonly text: Text;
}

export interface Verdict {
  readonly files: number;
  readonly lines: number;
  readonly pruned: number;
  /** What must not be. */
  readonly problems: readonly Finding[];
  /** What a crash leaves behind. */
  readonly notes: readonly Finding[];
  readonly head: Link;
}

const words: { readonly [K in Fault['kind']]: (fault: Extract<Fault, { kind: K }>) => Text } = {
  unreadable: () => say('is no line of the log', '不是日志行'),
  changed: () => say('was changed', '已被修改'),
  missing: ({ lines }) => say(`comes after ${lines} that are missing`, `之前缺少 ${lines} 行`),
  moved: () => say('stood elsewhere, or stands here twice', '位置不对或重复'),
};

const ofFault = (file: string, line: number, fault: Fault): Finding => ({
  id: `audit.line-${fault.kind}`,
  file,
  line,
  text: (words[fault.kind] as (fault: Fault) => Text)(fault),
});

const ofBook = ({ book, line, fault }: BookFault): Finding => ofFault(book, line, fault);

interface Read {
  readonly link: Link;
  readonly lines: number;
  readonly torn: number;
  readonly problems: readonly Finding[];
  readonly notes: readonly Finding[];
}

/** Lines that a full disk cost, as the gateway told when there was room again. */
function gapOf(file: string, line: number, text: string): Finding | undefined {
  if (!text.startsWith('{"kind":"gap"')) return undefined;
  const { lost, since, time } = JSON.parse(text) as { lost: number; since: number; time: number };
  const at = (seconds: number): string => new Date(seconds * 1000).toISOString();
  const words = say(
    `${lost} lines could not be written from ${at(since)} to ${at(time)}`,
    `${at(since)} 至 ${at(time)} 期间有 ${lost} 行未能写入`,
  );
  return { id: 'audit.gap', file, line, text: words };
}

/** The chain of one file, whatever the ledger says of it. */
export async function readFile(log: Log, name: string): Promise<Read> {
  const key = keyOf(log.secret, 'chain', name);
  const problems: Finding[] = [];
  let link = start;
  let lines = 0;
  let torn = 0;
  const notes: Finding[] = [];
  try {
    for await (const line of linesOf(bytesOf(log, name))) {
      if (line.torn !== undefined) {
        torn = line.torn;
        break;
      }
      lines += 1;
      const checked = check(key, link, line.text);
      link = checked.link;
      if (checked.fault) problems.push(ofFault(name, lines, checked.fault));
      const gap = checked.fault ? undefined : gapOf(name, lines, line.text);
      if (gap) notes.push(gap);
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const text = say(`piece ${error.piece} does not open: it was changed`, `第 ${error.piece} 段无法解密，已被修改`);
    problems.push({ id: 'audit.sealed-changed', file: name, text });
  }
  return { link, lines, torn, problems, notes };
}

/** Whether a file ends where the ledger says that it ended. */
function endsWrong(file: string, found: Read, closed: Closed): Finding | undefined {
  if (found.link.seq < closed.lines) {
    const cut = closed.lines - found.link.seq;
    const text = say(`its last ${cut} lines are missing`, `末尾缺少 ${cut} 行`);
    return { id: 'audit.truncated', file, line: found.lines, text };
  }
  if (found.link.seq > closed.lines || found.link.mac !== closed.last || found.torn !== closed.torn) {
    const text = say('something was added after it was closed', '关闭后又被追加了内容');
    return { id: 'audit.added', file, line: closed.lines + 1, text };
  }
  return undefined;
}

function ending(file: string, found: Read, { closed }: Opened): { problem?: Finding; note?: Finding } {
  // What is said of its lines is enough.
  if (found.problems.length > 0) return {};
  const problem = closed && endsWrong(file, found, closed);
  if (problem) return { problem };
  if (found.torn === 0) return {};
  const text = say(
    `ends within a line (${found.torn} bytes): its worker died while it wrote`,
    `末行不完整（${found.torn} 字节）：写入时工作进程中断`,
  );
  return { note: { id: 'audit.torn', file, line: found.lines + 1, text } };
}

/** In this order: a file that gets its next name meanwhile is found under that. */
async function there(log: Log, name: string): Promise<boolean> {
  for (const path of [openingPath, openPath, sealedPath]) {
    if ((await log.files.stat(path(log, name))) !== undefined) return true;
  }
  return false;
}

const missing = (file: string): Finding => ({
  id: 'audit.file-missing',
  file,
  text: say('the whole file is missing', '整个文件缺失'),
});

const unknown = (file: string): Finding => ({
  id: 'audit.file-unknown',
  file,
  text: say(
    'is not in the ledger: lines were taken out of that, or the file was put here',
    '不在台账中：台账被删改，或文件是后来放入的',
  ),
});

const endless = (file: string): Finding => ({
  id: 'audit.ledger-short',
  file,
  text: say('is sealed, and the ledger does not say how it ended', '已加密，但台账中没有其结尾记录'),
});

const rewound = (head: Link): Finding => ({
  id: 'audit.head-missing',
  file: ledgerName,
  line: head.seq,
  text: say(
    'the head that was noted is not there: newer lines were taken away',
    '所记录的链头不存在：较新的内容已被移除',
  ),
});

/** @param noted the head of an earlier verdict that was kept elsewhere: then nothing newer can be taken away either */
export async function verify(log: Log, noted?: Link): Promise<Verdict> {
  // The files first: what is opened meanwhile is in the ledger and looked for once more.
  const found = await listed(log);
  const [ledger, pruned] = [await readLedger(log), await readPruned(log)];
  const problems: Finding[] = [...ledger.faults, ...pruned.faults].map(ofBook);
  const notes: Finding[] = [];
  if (noted && ledger.macs.get(noted.seq) !== noted.mac) problems.push(rewound(noted));
  let lines = 0;
  for (const name of ledger.files.keys()) {
    if (!found.has(name) && !pruned.files.has(name) && !(await there(log, name))) problems.push(missing(name));
  }
  for (const [name, { sealed }] of found) {
    const one = await readFile(log, name);
    lines += one.lines;
    problems.push(...one.problems);
    notes.push(...one.notes);
    const known = ledger.files.get(name);
    if (!known) {
      problems.push(unknown(name));
      continue;
    }
    if (sealed && !known.closed) problems.push(endless(name));
    const { problem, note } = ending(name, one, known);
    if (problem) problems.push(problem);
    if (note) notes.push(note);
  }
  return { files: found.size, lines, pruned: pruned.files.size, problems, notes, head: ledger.head };
}
