/** One stream of a remote command, cut out from between its marks. */
import type { Marks } from './ssh-script.js';

/** Beyond this a command's output is not kept in memory: 64 Mi characters. */
export const outputLimit = 64 << 20;

export class Section {
  /** The pid behind the begin mark: the command's process group; 0 where there is none. */
  group: number | undefined;
  code: number | undefined;
  /** What came before the begin mark: login noise, or why sudo refused. */
  head = '';
  length = 0;
  readonly #parts: string[] = [];
  #carry = '';
  #line = '';
  #empty = 0;

  constructor(
    readonly marks: Marks,
    readonly onLine?: (line: string) => void,
  ) {}

  feed(text: string): void {
    if (this.code !== undefined) return;
    if (this.group === undefined) this.#seekBegin(text);
    else this.#keep(text);
  }

  /** What the command wrote, to the byte. */
  text(): string {
    const all = this.#parts.join('');
    const at = all.lastIndexOf(`\n${this.marks.end}:`);
    return at < 0 ? all : all.slice(0, at);
  }

  #keep(text: string): void {
    this.#parts.push(text);
    this.length += text.length;
    if (this.onLine) this.#split(text);
    this.#seekEnd(text);
  }

  #seekBegin(text: string): void {
    this.head += text;
    const mark = `${this.marks.begin}:`;
    const at = this.head.indexOf(mark);
    const end = at < 0 ? -1 : this.head.indexOf('\n', at);
    if (end < 0) return;
    this.group = Number(this.head.slice(at + mark.length, end));
    const rest = this.head.slice(end + 1);
    this.head = this.head.slice(0, at);
    if (rest) this.#keep(rest);
  }

  #seekEnd(text: string): void {
    const window = this.#carry + text;
    const mark = `\n${this.marks.end}:`;
    const at = window.lastIndexOf(mark);
    const end = at < 0 ? -1 : window.indexOf('\n', at + 1);
    if (end >= 0) this.code = Number(window.slice(at + mark.length, end));
    this.#carry = window.slice(-(mark.length + 8));
  }

  /** The end mark brings a line break of its own, so an empty line waits until something follows it. */
  #split(text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop()!;
    for (const line of lines) {
      const last = line.startsWith(`${this.marks.end}:`);
      if (line === '') {
        this.#empty += 1;
        continue;
      }
      for (; this.#empty > (last ? 1 : 0); this.#empty -= 1) this.onLine!('');
      this.#empty = 0;
      if (last) return;
      this.onLine!(line);
    }
  }
}
