/** Reads one streamed chat completion: when text came, what the usage says, how it ended. */
import { type Frame, frameOf } from './frame.js';
import type { Failure } from './record.js';
import { SseReader } from './sse.js';

interface Delta {
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  /** vLLM's newer name for it. */
  readonly reasoning?: unknown;
  readonly tool_calls?: unknown;
}

interface Event {
  readonly error?: unknown;
  readonly choices?: readonly { readonly delta?: Delta | null; readonly finish_reason?: unknown }[];
  readonly usage?: Usage | null;
}

interface Usage {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly prompt_cache_hit_tokens?: unknown;
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: unknown } | null;
}

const filled = (value: unknown): boolean => (typeof value === 'string' || Array.isArray(value)) && value.length > 0;

/** Content, reasoning or a part of a tool call: what a model wrote, unlike a role or an empty text. */
export const saysSomething = (delta: Delta | null | undefined): boolean =>
  delta != null &&
  (filled(delta.content) || filled(delta.reasoning_content) || filled(delta.reasoning) || filled(delta.tool_calls));

const textKeys = ['content', 'reasoning_content', 'reasoning'] as const;

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;

const cutTo = (text: string, length = 200): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** The server's own words out of an error body, or the beginning of whatever came. */
export function errorWords(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  const words = typeof message === 'string' ? message : typeof error === 'string' ? error : JSON.stringify(error ?? '');
  return cutTo(words.replace(/\s+/g, ' ').trim());
}

export interface Counts {
  readonly prompt?: number;
  readonly tokens?: number;
  readonly reasoning?: number;
  readonly cached?: number;
}

/** Only what the server says; `undefined` members are left out. */
function countsOf(usage: Usage): Counts {
  const counts = {
    prompt: count(usage.prompt_tokens),
    tokens: count(usage.completion_tokens),
    reasoning: count(usage.completion_tokens_details?.reasoning_tokens),
    cached: count(usage.prompt_tokens_details?.cached_tokens) ?? count(usage.prompt_cache_hit_tokens),
  };
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== undefined));
}

const decoder = new TextDecoder();

/** Stamps go in as ms since the request was sent; gaps come out as whole µs. */
export class AnswerReader {
  /** See `Sample.chunks`. */
  readonly chunks: number[] = [];
  finish: string | undefined;
  done = false;
  failure: Failure | undefined;
  /** µs of the last chunk, so that the gaps' sum never drifts from the stamps. */
  #last = 0;
  #at = 0;
  #frame: Frame | undefined;
  #hits = 0;
  #learned = 0;
  #usage: Usage | undefined;
  readonly #sse = new SseReader((data) => this.#event(data));

  get counts(): Counts {
    return this.#usage ? countsOf(this.#usage) : {};
  }

  push(bytes: Uint8Array, at: number): void {
    this.#at = at;
    const from = this.#sse.idle ? this.#framed(bytes) : 0;
    if (from === 0) this.#sse.push(bytes);
    else if (from < bytes.length) this.#sse.push(bytes.subarray(from));
  }

  /** Counts the events that are the last parsed one with another text. @returns how many bytes they took */
  #framed(bytes: Uint8Array): number {
    const frame = this.#frame;
    if (!frame) return 0;
    let from = 0;
    for (let end = frame.match(bytes, from); end > 0; end = frame.match(bytes, from)) {
      if (end - from > frame.length) this.#chunk();
      this.#hits += 1;
      from = end;
    }
    return from;
  }

  /** After the last byte. A stream that never said how it finished is not whole. */
  end(): void {
    this.#sse.end();
    if (this.finish === undefined) {
      this.failure ??= {
        cause: 'truncated',
        detail: this.done ? '[DONE] without a finish_reason' : 'no finish_reason',
      };
    }
  }

  #event(data: Uint8Array): void {
    const text = decoder.decode(data);
    if (text === '[DONE]') {
      this.done = true;
      return;
    }
    const event = parsed(text);
    if (event === undefined) this.failure ??= { cause: 'not_sse', detail: cutTo(text) };
    else if (event.error !== undefined && event.error !== null) {
      this.failure ??= { cause: 'error_event', detail: errorWords(event.error) };
    } else this.#read(event, text);
  }

  #read({ choices, usage }: Event, text: string): void {
    // A usage with every chunk counts up: the last one stands.
    if (usage) this.#usage = usage;
    const choice = choices?.[0];
    if (!choice) return;
    if (saysSomething(choice.delta)) this.#chunk();
    if (typeof choice.finish_reason === 'string') this.finish = choice.finish_reason;
    else if (!usage) this.#learn(text, choice.delta);
  }

  /** A stream whose every event is different (logprobs, token ids) is soon given up. */
  #learn(text: string, delta: Delta | null | undefined): void {
    if (this.#learned > 3 + this.#hits / 8) return;
    const keys = textKeys.filter((key) => filled(delta?.[key]));
    if (keys.length !== 1 || filled(delta?.tool_calls)) return;
    this.#learned += 1;
    this.#frame = frameOf(text, keys[0]!);
  }

  #chunk(): void {
    const at = Math.round(this.#at * 1000);
    this.chunks.push(at - this.#last);
    this.#last = at;
  }
}

function parsed(text: string): Event | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
