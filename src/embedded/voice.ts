import { StopFinder, Utf8Joiner } from './text.js';
import { type Parts, type Thinking, ThinkSplitter } from './think.js';

const nothing: Parts = { reasoning: '', content: '' };

/** One answer on its way from tokens to text: bytes joined, stop strings found, thought told apart. */
export class Voice {
  private readonly joiner = new Utf8Joiner();
  private readonly stops: StopFinder;
  private readonly splitter: ThinkSplitter;
  tokens = 0;
  reasoningTokens = 0;

  constructor(
    private readonly piece: (token: number) => string | Uint8Array,
    stops: readonly string[],
    thinking: Thinking,
  ) {
    this.stops = new StopFinder(stops);
    this.splitter = new ThinkSplitter(thinking);
  }

  /** A stop string was found: what follows is not wanted. */
  get stopped(): boolean {
    return this.stops.found;
  }

  push(token: number): Parts {
    this.tokens++;
    const text = this.stops.push(this.joiner.push(this.piece(token)));
    const parts = text === '' ? nothing : this.splitter.push(text);
    if (this.splitter.thinking) this.reasoningTokens++;
    return parts;
  }

  /** What was held back, at the end of the answer. */
  flush(): Parts {
    const rest = this.stopped ? '' : this.stops.push(this.joiner.flush());
    const parts = this.splitter.push(this.stopped ? rest : rest + this.stops.flush());
    const last = this.splitter.flush();
    return { reasoning: parts.reasoning + last.reasoning, content: parts.content + last.content };
  }
}
