/** What an answer of the API looks like, as far as the smoke test reads it; anything may be missing. */
import { say, type Text } from '../say.js';
import type { Reply } from './api.js';
import type { Verdict } from './check.js';

export interface Message {
  readonly role?: unknown;
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
  readonly tool_calls?: unknown;
}

export interface Usage {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly total_tokens?: unknown;
}

export interface Answer {
  readonly id?: unknown;
  readonly object?: unknown;
  readonly model?: unknown;
  readonly choices?: readonly {
    readonly message?: Message;
    readonly delta?: Message;
    readonly finish_reason?: unknown;
  }[];
  readonly usage?: Usage | null;
  readonly error?: { readonly message?: unknown } | null;
}

export const answerIn = (json: unknown): Answer =>
  typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0;

/** The sum that OpenAI promises: total = prompt + completion. */
export const addsUp = (usage: Usage | null | undefined): boolean =>
  isCount(usage?.prompt_tokens) &&
  isCount(usage.completion_tokens) &&
  usage.prompt_tokens + usage.completion_tokens === usage.total_tokens;

export const usageWords = (usage: Usage | null | undefined): string => (usage ? JSON.stringify(usage) : 'usage');

/** The server's own words about a refusal, or how its body begins. */
export function wordsOf({ json, text }: Reply): string {
  const message = answerIn(json).error?.message;
  const words = isText(message) ? message : text.replace(/\s+/g, ' ').trim();
  return words.length > 120 ? `${words.slice(0, 119)}…` : words;
}

export const answered = (reply: Reply): Text =>
  say(`answered ${reply.status}: ${wordsOf(reply)}`, `返回 ${reply.status}：${wordsOf(reply)}`);

/** Where 200 was due. */
export const refused = (reply: Reply): Verdict => ({ state: 'problem', found: answered(reply) });

/** A field the server says it does not know or offer is its right. */
export const isRefusal = ({ status }: Reply): boolean => status === 400 || status === 422 || status === 501;

/** `{"error": {"message": …}}`, which OpenAI's clients read. */
export const isError = ({ json }: Reply): boolean => isText(answerIn(json).error?.message);
