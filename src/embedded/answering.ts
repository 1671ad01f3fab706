/** From a request to running sequences and back to what is told of them, whatever the transport. */
import { randomInt } from 'node:crypto';
import type { Metrics } from './metrics.js';
import type { Model } from './model.js';
import { broken, invalid, type Problem, queueFull, unknownModel } from './problem.js';
import type { ChatAsk, TextAsk } from './request.js';
import type { Scheduler } from './scheduler.js';
import { type Parts, type Thinking, thinkingAfter } from './think.js';
import type { FinishReason, Usage } from './transcript.js';
import { Voice } from './voice.js';
import type { Ending, Sink, Ticket, Work } from './work.js';

/** Called from the event loop; after `done` nothing more. */
export interface Listener {
  /** The first token of the request is there. */
  begun(): void;
  delta(choice: number, parts: Parts): void;
  finish(choice: number, reason: FinishReason): void;
  /** All choices have ended, or one has failed. */
  done(usage: Usage, problem: Problem | undefined): void;
}

export interface Timing {
  /** Milliseconds since arrival. */
  firstTokenMs: number | undefined;
  queueMs: number | undefined;
}

export interface Conversation {
  /** The client went away: its sequences are free within a token. */
  cancel(): void;
  readonly timing: Timing;
}

export interface Served {
  readonly model: Model;
  readonly scheduler: Scheduler;
  readonly metrics: Metrics;
  readonly modelId: string;
  readonly contextSize: number;
}

interface Prompt {
  readonly tokens: Uint32Array;
  readonly thinking: Thinking;
}

/** No token is longer: text beyond this cannot fit, and is refused before it is tokenised. */
const maxCharactersPerToken = 128;

function contextExceeded(served: Served, length: string): Problem {
  return invalid(
    `This model's context holds ${served.contextSize} tokens, and the request has ${length}.`,
    'messages',
    'context_length_exceeded',
  );
}

function chatPrompt(served: Served, ask: ChatAsk): Prompt {
  const { model } = served;
  const json = ask.grammar !== undefined;
  const variables = json && model.thinker ? { ...ask.template, enable_thinking: false, thinking: false } : ask.template;
  let text: string | undefined;
  try {
    text = model.renderChat(ask.messages, variables);
  } catch (error) {
    throw invalid(`The model's chat template refuses these messages: ${(error as Error).message}`, 'messages');
  }
  if (text === undefined) {
    throw invalid('This model has no chat template; use /v1/completions.', 'messages', 'no_chat_template');
  }
  // A grammar would put the JSON into the thought that the template has opened.
  if (json && thinkingAfter(text, true) === 'open') text = `${text.trimEnd()}\n\n</think>\n\n`;
  return { tokens: tokenized(served, text, true), thinking: thinkingAfter(text, model.thinker && !json) };
}

function tokenized(served: Served, text: string, special: boolean): Uint32Array {
  if (text.length > served.contextSize * maxCharactersPerToken) {
    throw contextExceeded(served, `${text.length} characters`);
  }
  return served.model.tokenize(text, special);
}

function textPrompts(served: Served, ask: TextAsk): Prompt[] {
  return ask.prompts.map((prompt): Prompt => {
    if (typeof prompt !== 'string') {
      const known = prompt.every((token) => token < served.model.tokens);
      if (!known)
        throw invalid(`'prompt' has token ids this model does not know (0 to ${served.model.tokens - 1}).`, 'prompt');
      return { tokens: Uint32Array.from(prompt), thinking: 'plain' };
    }
    if (ask.suffix === undefined) return { tokens: tokenized(served, prompt, false), thinking: 'plain' };
    const tokens = served.model.fillInMiddle(prompt, ask.suffix);
    if (tokens === undefined) throw invalid('This model was not trained to fill in the middle.', 'suffix', 'no_fim');
    return { tokens, thinking: 'plain' };
  });
}

function promptsOf(served: Served, ask: ChatAsk | TextAsk): Prompt[] {
  const prompts = ask.route === 'chat' ? [chatPrompt(served, ask)] : textPrompts(served, ask);
  for (const { tokens } of prompts) {
    if (tokens.length === 0) throw invalid('The prompt is empty.', 'prompt');
    if (tokens.length >= served.contextSize) throw contextExceeded(served, `${tokens.length} of prompt alone`);
  }
  return prompts;
}

function compiled(served: Served, gbnf: string | undefined): (() => object) | undefined {
  if (gbnf === undefined) return undefined;
  try {
    return served.model.grammar(gbnf);
  } catch {
    throw invalid(
      "The JSON schema in 'response_format' makes no usable grammar.",
      'response_format',
      'unsupported_schema',
    );
  }
}

/**
 * Starts the request. Answers come through the listener, never before this returns.
 * @throws Problem 400, 404, or 429 when the queue is full
 */
export function converse(served: Served, ask: ChatAsk | TextAsk, listener: Listener): Conversation {
  if (ask.model !== served.modelId) throw unknownModel(ask.model, served.modelId);
  const unknown = ask.sampling.bias?.some(([token]) => token >= served.model.tokens);
  if (unknown) throw invalid("'logit_bias' has token ids this model does not know.", 'logit_bias');
  const prompts = promptsOf(served, ask);
  const grammar = compiled(served, ask.grammar);
  const running = new Running(served, listener, prompts, ask.n);
  const seed = ask.sampling.seed ?? randomInt(2 ** 32);
  const works = prompts.flatMap(({ tokens, thinking }, i) =>
    Array.from({ length: ask.n }, (_, j): Work => {
      const index = i * ask.n + j;
      const room = served.contextSize - tokens.length;
      return {
        prompt: tokens,
        maxTokens: Math.min(ask.maxTokens ?? room, room),
        ignoreEos: ask.ignoreEos,
        // Whoever gives a seed, or takes no chance at all, wants the same bits again.
        reuse: ask.sampling.seed === undefined && ask.sampling.temperature > 0,
        sampler: () => served.model.sampler(ask.sampling, (seed + index) >>> 0, grammar),
        sink: running.sink(index, new Voice((token) => served.model.piece(token), ask.stop, thinking), tokens.length),
      };
    }),
  );
  const tickets = served.scheduler.submit(works);
  if (tickets === undefined) throw queueFull();
  running.tickets = tickets;
  return running;
}

class Running implements Conversation {
  tickets: readonly Ticket[] = [];
  readonly timing: Timing = { firstTokenMs: undefined, queueMs: undefined };
  private readonly arrival = performance.now();
  private open: number;
  private over = false;
  private readonly usage: { prompt: number; completion: number; cached: number; reasoning: number };

  constructor(
    private readonly served: Served,
    private readonly listener: Listener,
    prompts: readonly Prompt[],
    n: number,
  ) {
    this.open = prompts.length * n;
    const prompt = prompts.reduce((sum, { tokens }) => sum + tokens.length, 0);
    this.usage = { prompt, completion: 0, cached: 0, reasoning: 0 };
  }

  cancel(): void {
    this.over = true;
    for (const ticket of this.tickets) ticket.cancel();
  }

  private first(at: number): void {
    if (this.timing.firstTokenMs !== undefined) return;
    this.timing.firstTokenMs = at - this.arrival;
    this.listener.begun();
  }

  private ended(index: number, ending: Ending, voice: Voice): void {
    this.usage.completion += voice.tokens;
    this.usage.reasoning += voice.reasoningTokens;
    this.open--;
    if (this.over) return;
    if (ending === 'error' || ending === 'abort') {
      this.cancel();
      const why = ending === 'error' ? 'The model failed to compute this answer.' : 'The engine is shutting down.';
      this.listener.done(this.usage, broken(why));
      return;
    }
    this.listener.finish(index, ending);
    if (this.open > 0) return;
    this.over = true;
    this.listener.done(this.usage, undefined);
  }

  sink(index: number, voice: Voice, promptTokens: number): Sink {
    const { metrics } = this.served;
    const { arrival } = this;
    let started = arrival;
    let firstAt = 0;
    let lastAt = 0;
    const tell = (parts: Parts): void => {
      if (!this.over && (parts.content !== '' || parts.reasoning !== '')) this.listener.delta(index, parts);
    };
    return {
      start: (at, cached) => {
        started = at;
        this.timing.queueMs ??= at - arrival;
        this.usage.cached += cached;
        metrics.queueTime.observe((at - arrival) / 1000);
        metrics.promptTokens += promptTokens;
        metrics.prefixQueries += promptTokens;
        metrics.prefixHits += cached;
      },
      token: (token, at) => {
        if (firstAt === 0) {
          firstAt = at;
          this.first(at);
          metrics.firstToken.observe((at - arrival) / 1000);
          metrics.prefillTime.observe((at - started) / 1000);
        } else metrics.interToken.observe((at - lastAt) / 1000);
        lastAt = at;
        metrics.generationTokens++;
        tell(voice.push(token));
        return !voice.stopped;
      },
      end: (ending, at) => {
        metrics.countEnd(ending);
        if (ending === 'stop' || ending === 'length') {
          this.first(at);
          tell(voice.flush());
          metrics.endToEnd.observe((at - arrival) / 1000);
          metrics.promptLength.observe(promptTokens);
          metrics.answerLength.observe(voice.tokens);
          if (voice.tokens > 1) {
            metrics.decodeTime.observe((lastAt - firstAt) / 1000);
            metrics.perOutputToken.observe((lastAt - firstAt) / 1000 / (voice.tokens - 1));
          }
        }
        this.ended(index, ending, voice);
      },
    };
  }
}
