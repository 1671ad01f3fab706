/** What is told of a request, whatever carries it. */
import type { Problem } from './problem.js';
import type { ChatAsk, TextAsk } from './request.js';
import type { Ended, Reply } from './session.js';
import type { Parts } from './think.js';
import { type FinishReason, type Head, StreamParts, type Usage, wholeAnswer } from './transcript.js';

/** One transport's way to one client. Calls after the client has gone do nothing. */
export interface Outlet {
  /** The answer begins: from here on its status is good. May be said again. */
  open(): void;
  part(json: string): void;
  /** After the last part. */
  close(): void;
  /** The one document of an answer that is not streamed. */
  whole(json: string): void;
  /** Also in the middle of an open answer. */
  refuse(problem: Problem): void;
}

const counts = ({ prompt, completion, cached }: Usage): object => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  cached_tokens: cached,
});

class Streamed implements Reply {
  finished = false;
  private readonly parts: StreamParts;
  private readonly introduced = new Set<number>();

  constructor(
    private readonly outlet: Outlet,
    private readonly ask: ChatAsk | TextAsk,
    head: Head,
    private readonly ended: Ended,
  ) {
    this.parts = new StreamParts(ask, head);
  }

  /** Each choice begins with its role, where the route has roles. */
  private introduce(choice: number): void {
    if (this.introduced.has(choice)) return;
    this.introduced.add(choice);
    const role = this.parts.role(choice);
    if (role !== undefined) this.outlet.part(role);
  }

  open(): void {
    this.outlet.open();
  }

  begun(): void {
    this.open();
    this.introduce(0);
  }

  delta(choice: number, parts: Parts): void {
    this.introduce(choice);
    this.outlet.part(this.parts.delta(choice, parts));
  }

  finish(choice: number, reason: FinishReason): void {
    this.introduce(choice);
    this.outlet.part(this.parts.end(choice, reason));
  }

  done(usage: Usage, problem: Problem | undefined): void {
    this.finished = true;
    if (problem === undefined) {
      if (this.ask.includeUsage) this.outlet.part(this.parts.usage(usage));
      this.outlet.close();
    } else this.outlet.refuse(problem);
    this.ended(problem === undefined ? 'ok' : 'error', counts(usage));
  }
}

class Collected implements Reply {
  finished = false;
  private readonly choices: { reasoning: string; content: string; finish: FinishReason }[] = [];

  constructor(
    private readonly outlet: Outlet,
    private readonly ask: ChatAsk | TextAsk,
    private readonly head: Head,
    private readonly ended: Ended,
  ) {}

  private choice(index: number) {
    this.choices[index] ??= { reasoning: '', content: '', finish: 'stop' };
    return this.choices[index];
  }

  open(): void {}

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
    if (problem === undefined) this.outlet.whole(wholeAnswer(this.ask, this.head, this.choices, usage));
    else this.outlet.refuse(problem);
    this.ended(problem === undefined ? 'ok' : 'error', counts(usage));
  }
}

export const replyTo =
  (outlet: Outlet, ask: ChatAsk | TextAsk) =>
  (head: Head, ended: Ended): Reply =>
    ask.stream ? new Streamed(outlet, ask, head, ended) : new Collected(outlet, ask, head, ended);
