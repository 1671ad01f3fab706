/** One text file a host: each command that ran, how it ended, and what it printed. */
import type { Section } from './probe.js';

const title = '# deepseek-deploy recording';
const version = 1;
const mark = /^\\*# (?:\$ |exit \d|stderr$)/;

/** A printed line that looks like one of ours gets a backslash in front. */
const escaped = (text: string): string =>
  text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => (mark.test(line) ? `\\${line}` : line))
    .join('\n');

const restored = (line: string): string => (/^\\/.test(line) && mark.test(line) ? line.slice(1) : line);

export function writeRecording(sections: readonly Section[], made: string): string {
  const parts = sections.map(({ id, line, result }) => {
    const command = line.split('\n').join('\n# > ');
    const output = result.stdout === '' ? '' : `${escaped(result.stdout)}\n`;
    const errors = result.stderr === '' ? '' : `# stderr\n${escaped(result.stderr)}\n`;
    return `# $ ${command}\n# exit ${result.code}${id ? ` ${id}` : ''}\n${output}${errors}`;
  });
  return [`${title} ${version}`, `# ${made}`, '', ...parts].join('\n');
}

export const isRecording = (text: string): boolean =>
  text
    .replace(/^\ufeff/, '')
    .trimStart()
    .startsWith(title);

interface Open {
  line: string;
  id?: string;
  code: number;
  readonly out: string[];
  readonly err: string[];
  errors: boolean;
  /** Lines of the command are still to come. */
  heading: boolean;
}

const finished = ({ line, id, code, out, err }: Open): Section => {
  const text = (lines: readonly string[]): string => {
    const joined = lines.map(restored).join('\n').replace(/\n+$/, '');
    return joined === '' ? '' : `${joined}\n`;
  };
  return { ...(id ? { id } : {}), line, result: { code, stdout: text(out), stderr: text(err) } };
};

/** Tolerates what an editor or a mail does to the file: line ends, trailing blanks, an end that is missing. */
export function readRecording(text: string): Section[] {
  const sections: Open[] = [];
  for (const line of text
    .replace(/^\ufeff/, '')
    .replace(/\r\n?/g, '\n')
    .split('\n')) {
    const open = sections.at(-1);
    const [, command] = /^# \$ (.*)$/.exec(line) ?? [];
    const [, code, id] = /^# exit (\d+)(?: (\S+))?\s*$/.exec(line) ?? [];
    if (command !== undefined) {
      sections.push({ line: command.trimEnd(), code: 0, out: [], err: [], errors: false, heading: true });
    } else if (!open) {
      // The title and the date stand before the first command.
    } else if (open.heading && line.startsWith('# > ')) open.line += `\n${line.slice(4)}`;
    else if (open.heading && code !== undefined) {
      open.code = Number(code);
      if (id !== undefined) open.id = id;
      open.heading = false;
    } else if (/^# stderr\s*$/.test(line)) open.errors = true;
    else (open.errors ? open.err : open.out).push(line);
  }
  return sections.map(finished);
}
