import { begun } from './text.js';

const open = '<think>';
const close = '</think>';

export interface Parts {
  readonly reasoning: string;
  readonly content: string;
}

/** `plain`: a model that does not think; `maybe`: it may begin with <think>; `open`: the prompt has opened it already. */
export type Thinking = 'plain' | 'maybe' | 'open';

/** Where generation begins, by the prompt's end. */
export const thinkingAfter = (prompt: string, thinker: boolean): Thinking =>
  prompt.trimEnd().endsWith(open) ? 'open' : thinker ? 'maybe' : 'plain';

type State = 'before' | 'opening' | 'thinking' | 'closing' | 'answer';

/**
 * Parts an answer into what stands in <think>…</think> at its beginning and what follows, however the text is cut. Line
 * breaks next to the marks belong to neither.
 */
export class ThinkSplitter {
  private state: State;
  private held = '';

  constructor(thinking: Thinking) {
    this.state = thinking === 'plain' ? 'answer' : thinking === 'open' ? 'opening' : 'before';
  }

  get thinking(): boolean {
    return this.state === 'opening' || this.state === 'thinking';
  }

  push(text: string): Parts {
    if (this.state === 'answer') return { reasoning: '', content: text };
    let rest = this.held + text;
    this.held = '';
    let reasoning = '';
    if (this.at('before')) rest = this.before(rest);
    if (this.at('opening')) rest = this.trimmed(rest, 'thinking');
    if (this.at('thinking')) [reasoning, rest] = this.thought(rest);
    if (this.at('closing')) rest = this.trimmed(rest, 'answer');
    return { reasoning, content: this.at('answer') ? rest : '' };
  }

  private at(state: State): boolean {
    return this.state === state;
  }

  private before(text: string): string {
    const start = text.trimStart();
    if (start.startsWith(open)) {
      this.state = 'opening';
      return start.slice(open.length);
    }
    if (open.startsWith(start)) {
      this.held = text;
      return '';
    }
    this.state = 'answer';
    return text;
  }

  private trimmed(text: string, next: 'thinking' | 'answer'): string {
    const rest = text.replace(/^[\r\n]+/, '');
    if (rest !== '') this.state = next;
    return rest;
  }

  private thought(text: string): [reasoning: string, rest: string] {
    const at = text.indexOf(close);
    if (at >= 0) {
      this.state = 'closing';
      return [text.slice(0, at).replace(/[\r\n]+$/, ''), text.slice(at + close.length)];
    }
    const lines = /[\r\n]+$/.exec(text);
    const keep = Math.max(begun(text, close), lines ? lines[0].length : 0, this.lineThenMark(text));
    this.held = text.slice(text.length - keep);
    return [text.slice(0, text.length - keep), ''];
  }

  /** Line breaks before a half-seen </think> are held back with it. */
  private lineThenMark(text: string): number {
    const mark = begun(text, close);
    if (mark === 0) return 0;
    const lines = /[\r\n]+$/.exec(text.slice(0, text.length - mark));
    return mark + (lines ? lines[0].length : 0);
  }

  /** What was held back, at the end of the answer. */
  flush(): Parts {
    const { held } = this;
    this.held = '';
    if (this.state === 'before') return { reasoning: '', content: held };
    return { reasoning: this.state === 'thinking' ? held : '', content: '' };
  }
}
