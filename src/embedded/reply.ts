import type { ServerResponse } from 'node:http';
import type { Listener } from './answering.js';
import { sendJson, sendProblem } from './http.js';
import type { Problem } from './problem.js';
import type { ChatAsk, TextAsk } from './request.js';
import type { Parts } from './think.js';
import { type FinishReason, type Head, StreamParts, type Usage, wholeAnswer } from './transcript.js';

/** Called once, at the end, with what goes into the log. */
export type Ended = (outcome: string, detail: object) => void;

const counts = ({ prompt, completion, cached }: Usage): object => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  cached_tokens: cached,
});

const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // nginx passes each event on at once.
  'x-accel-buffering': 'no',
};

/** Server-sent events. What one step of the model brings for this client goes out in one write. */
export class EventStream implements Listener {
  finished = false;
  private readonly parts: StreamParts;
  private readonly introduced = new Set<number>();
  private pending = '';

  constructor(
    private readonly response: ServerResponse,
    private readonly ask: ChatAsk | TextAsk,
    head: Head,
    private readonly ended: Ended,
  ) {
    this.parts = new StreamParts(ask, head);
  }

  private say(json: string): void {
    if (this.pending === '') queueMicrotask(() => this.flush());
    this.pending += `data: ${json}\n\n`;
  }

  private flush(): void {
    const { pending, response } = this;
    this.pending = '';
    if (response.destroyed) return;
    if (this.finished) response.end(pending);
    else response.write(pending);
  }

  /** Each choice begins with its role, where the route has roles. */
  private introduce(choice: number): void {
    if (this.introduced.has(choice)) return;
    this.introduced.add(choice);
    const role = this.parts.role(choice);
    if (role !== undefined) this.say(role);
  }

  begun(): void {
    if (!this.response.destroyed) this.response.writeHead(200, sseHeaders);
    this.introduce(0);
  }

  delta(choice: number, parts: Parts): void {
    this.introduce(choice);
    this.say(this.parts.delta(choice, parts));
  }

  finish(choice: number, reason: FinishReason): void {
    this.introduce(choice);
    this.say(this.parts.end(choice, reason));
  }

  done(usage: Usage, problem: Problem | undefined): void {
    if (problem !== undefined && !this.response.headersSent) sendProblem(this.response, problem);
    else if (problem !== undefined) this.say(problem.json());
    else {
      if (this.ask.includeUsage) this.say(this.parts.usage(usage));
      this.say('[DONE]');
    }
    this.finished = true;
    this.ended(problem === undefined ? 'ok' : 'error', counts(usage));
  }
}

/** One JSON document at the end. */
export class Collected implements Listener {
  finished = false;
  private readonly choices: { reasoning: string; content: string; finish: FinishReason }[] = [];

  constructor(
    private readonly response: ServerResponse,
    private readonly ask: ChatAsk | TextAsk,
    private readonly head: Head,
    private readonly ended: Ended,
  ) {}

  private choice(index: number) {
    this.choices[index] ??= { reasoning: '', content: '', finish: 'stop' };
    return this.choices[index];
  }

  begun(): void {}

  delta(index: number, { reasoning, content }: Parts): void {
    const choice = this.choice(index);
    choice.reasoning += reasoning;
    choice.content += content;
  }

  finish(index: number, reason: FinishReason): void {
    this.choice(index).finish = reason;
  }

  done(usage: Usage, problem: Problem | undefined): void {
    this.finished = true;
    if (problem === undefined) sendJson(this.response, 200, wholeAnswer(this.ask, this.head, this.choices, usage));
    else sendProblem(this.response, problem);
    this.ended(problem === undefined ? 'ok' : 'error', counts(usage));
  }
}
