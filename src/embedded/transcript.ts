/** OpenAI's answers as JSON text, whole or in parts. Parts are put together from strings: they are what is made most. */
import type { Ask } from './request.js';
import type { Parts } from './think.js';

export interface Usage {
  readonly prompt: number;
  readonly completion: number;
  /** Prompt tokens that did not have to be computed. */
  readonly cached: number;
  readonly reasoning: number;
}

export type FinishReason = 'stop' | 'length';

export interface Choice extends Parts {
  readonly finish: FinishReason;
}

export interface Head {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

/** OpenAI's fields, and DeepSeek's names for the cached part beside them. */
export const usageJson = ({ prompt, completion, cached, reasoning }: Usage) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: cached },
  completion_tokens_details: { reasoning_tokens: reasoning },
  prompt_cache_hit_tokens: cached,
  prompt_cache_miss_tokens: prompt - cached,
});

/** The JSON parts of a stream, in OpenAI's order: role, deltas, one end for each choice, usage when asked for. */
export class StreamParts {
  private readonly before: string;
  private readonly after: string;
  private readonly chat: boolean;

  constructor(ask: Pick<Ask, 'route' | 'includeUsage'>, head: Head) {
    this.chat = ask.route === 'chat';
    const object = this.chat ? 'chat.completion.chunk' : 'text_completion';
    const fields = JSON.stringify({ id: head.id, object, created: head.created, model: head.model });
    this.before = `${fields.slice(0, -1)},"choices":[`;
    this.after = ask.includeUsage ? '],"usage":null}' : ']}';
  }

  private choice(index: number, said: string, finish: string): string {
    return `${this.before}{"index":${index},${said},"logprobs":null,"finish_reason":${finish}}${this.after}`;
  }

  /** Undefined where the route has no such part. */
  role(index: number): string | undefined {
    return this.chat ? this.choice(index, '"delta":{"role":"assistant","content":""}', 'null') : undefined;
  }

  delta(index: number, { reasoning, content }: Parts): string {
    if (!this.chat) return this.choice(index, `"text":${JSON.stringify(reasoning + content)}`, 'null');
    const thought = reasoning === '' ? '' : `"reasoning_content":${JSON.stringify(reasoning)}`;
    const spoken = content === '' ? '' : `"content":${JSON.stringify(content)}`;
    const comma = thought !== '' && spoken !== '' ? ',' : '';
    return this.choice(index, `"delta":{${thought}${comma}${spoken}}`, 'null');
  }

  end(index: number, finish: FinishReason): string {
    return this.choice(index, this.chat ? '"delta":{}' : '"text":""', `"${finish}"`);
  }

  usage(usage: Usage): string {
    return `${this.before}],"usage":${JSON.stringify(usageJson(usage))}}`;
  }
}

/** The answer to a request without `stream`. */
export function wholeAnswer(ask: Pick<Ask, 'route'>, head: Head, choices: readonly Choice[], usage: Usage): string {
  const chat = ask.route === 'chat';
  return JSON.stringify({
    ...{ id: head.id, object: chat ? 'chat.completion' : 'text_completion', created: head.created, model: head.model },
    choices: choices.map(({ reasoning, content, finish }, index) => ({
      index,
      ...(chat
        ? { message: { role: 'assistant', content, ...(reasoning === '' ? {} : { reasoning_content: reasoning }) } }
        : { text: reasoning + content }),
      logprobs: null,
      finish_reason: finish,
    })),
    usage: usageJson(usage),
  });
}
