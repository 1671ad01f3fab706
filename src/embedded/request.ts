/** From the JSON of a request to what shall be generated; all refusals happen here, before anything is computed. */
import { Fields, isObject, type Json } from './fields.js';
import { jsonObjectGrammar, schemaGrammar } from './grammar.js';
import { invalid } from './problem.js';

export interface Message extends Json {
  readonly role: string;
  readonly content: string;
}

export interface Sampling {
  readonly temperature: number;
  readonly topP: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly seed?: number;
  readonly repetition?: number;
  readonly presence?: number;
  readonly frequency?: number;
  readonly bias?: readonly (readonly [token: number, bias: number])[];
}

export interface Ask {
  readonly route: 'chat' | 'text';
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Answers to each prompt. */
  readonly n: number;
  readonly maxTokens?: number;
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
  readonly sampling: Sampling;
  /** GBNF. */
  readonly grammar?: string;
}

export interface ChatAsk extends Ask {
  readonly route: 'chat';
  readonly messages: readonly Message[];
  /** Further variables for the chat template. */
  readonly template: Json;
}

export interface TextAsk extends Ask {
  readonly route: 'text';
  readonly prompts: readonly (string | readonly number[])[];
  /** Fill-in-the-middle: what follows the gap. */
  readonly suffix?: string;
}

const maxStops = 16;
const maxPrompts = 64;
const maxAnswers = 16;

/** Fields that ask for what we cannot do; `false`, 0 and 'none' of them are fine. */
const unsupported = [
  'logprobs',
  'top_logprobs',
  'tools',
  'functions',
  'audio',
  'echo',
  'use_beam_search',
  'guided_regex',
];

function refuseUnsupported(fields: Fields): void {
  for (const name of unsupported) {
    const value = fields.raw(name);
    const idle = value === undefined || value === false || (Array.isArray(value) && value.length === 0);
    // `logprobs: 0` of /v1/completions asks for the chosen token's, so it is not idle; `top_logprobs: 0` is.
    if (!idle && !(name === 'top_logprobs' && value === 0)) fields.unsupported(name);
  }
  if ((fields.whole('best_of', 1, 128) ?? 1) > 1) fields.unsupported('best_of');
}

function stops(fields: Fields): readonly string[] {
  const value = fields.raw('stop');
  if (value === undefined) return [];
  const list = Array.isArray(value) ? value : [value];
  const fine = list.length <= maxStops && list.every((stop) => typeof stop === 'string' && stop !== '');
  if (!fine) fields.refuse('stop', `a string that is not empty, or an array of at most ${maxStops}`);
  return list as string[];
}

function bias(fields: Fields): Sampling['bias'] {
  const value = fields.json('logit_bias');
  if (value === undefined) return undefined;
  return Object.entries(value).map(([token, amount]) => {
    const fine = /^\d{1,7}$/.test(token) && typeof amount === 'number' && Math.abs(amount) <= 100;
    if (!fine) fields.refuse('logit_bias', 'token ids with numbers from -100 to 100');
    return [Number(token), amount as number] as const;
  });
}

/** Absent stays absent (exactOptionalPropertyTypes). */
const present = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;

function sampling(fields: Fields): Sampling {
  const seed = fields.whole('seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const topP = fields.number('top_p', 0, 1) ?? 1;
  if (topP === 0) fields.refuse('top_p', 'more than 0 and at most 1');
  const topK = fields.whole('top_k', -1, 1_000_000);
  return {
    temperature: fields.number('temperature', 0, 2) ?? 1,
    topP,
    ...present({
      topK: topK !== undefined && topK > 0 ? topK : undefined,
      minP: fields.number('min_p', 0, 1),
      seed: seed === undefined ? undefined : seed >>> 0,
      repetition: fields.number('repetition_penalty', 0.01, 10),
      presence: fields.number('presence_penalty', -2, 2),
      frequency: fields.number('frequency_penalty', -2, 2),
      bias: bias(fields),
    }),
  };
}

function grammar(fields: Fields): string | undefined {
  const format = fields.object('response_format');
  if (format === undefined) return undefined;
  const type = format.text('type');
  if (type === 'text') return undefined;
  if (type === 'json_object') return jsonObjectGrammar;
  if (type !== 'json_schema') return format.refuse('type', "'text', 'json_object' or 'json_schema'");
  const named = format.object('json_schema') ?? format.refuse('json_schema', 'an object');
  const schema = named.json('schema');
  return schema === undefined ? jsonObjectGrammar : schemaGrammar(schema);
}

function common(fields: Fields): Omit<Ask, 'route'> {
  refuseUnsupported(fields);
  const stream = fields.flag('stream') ?? false;
  const options = fields.object('stream_options');
  if (options !== undefined && !stream) {
    throw invalid("'stream_options' may only be given with 'stream': true.", 'stream_options');
  }
  const big = Number.MAX_SAFE_INTEGER;
  return {
    model: fields.text('model') ?? fields.refuse('model', "a model's id"),
    stream,
    includeUsage: options?.flag('include_usage') ?? false,
    n: fields.whole('n', 1, maxAnswers) ?? 1,
    stop: stops(fields),
    ignoreEos: fields.flag('ignore_eos') ?? false,
    sampling: sampling(fields),
    ...present({
      maxTokens: fields.whole('max_completion_tokens', 1, big) ?? fields.whole('max_tokens', 1, big),
      grammar: grammar(fields),
    }),
  };
}

const roles = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'latest_reminder']);

function contentOf(value: unknown, at: string): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (!Array.isArray(value)) throw invalid(`'${at}' must be a string or an array of parts.`, at);
  return value
    .map((part: unknown, i) => {
      if (isObject(part) && part.type === 'text' && typeof part.text === 'string') return part.text;
      throw invalid(`'${at}[${i}]' must be a text part { type: 'text', text }; this engine reads text only.`, at);
    })
    .join('');
}

function messageOf(value: unknown, i: number): Message {
  const at = `messages[${i}]`;
  if (!isObject(value)) throw invalid(`'${at}' must be an object.`, at);
  const { role } = value;
  if (typeof role !== 'string' || !roles.has(role)) {
    throw invalid(`'${at}.role' must be one of ${[...roles].join(', ')}.`, `${at}.role`);
  }
  if (role !== 'assistant' && (value.content === undefined || value.content === null)) {
    throw invalid(`'${at}.content' is missing.`, `${at}.content`);
  }
  const content = contentOf(value.content, `${at}.content`);
  return { ...value, role: role === 'developer' ? 'system' : role, content };
}

/** Templates ask for thinking under two names: Qwen's `enable_thinking` and DeepSeek's `thinking`. */
function templateOf(fields: Fields): Json {
  const given = fields.json('chat_template_kwargs') ?? {};
  const type = fields.object('thinking')?.text('type');
  if (type !== undefined && type !== 'enabled' && type !== 'disabled') {
    fields.refuse('thinking', "{ type: 'enabled' } or { type: 'disabled' }");
  }
  const wanted = type === undefined ? (given.enable_thinking ?? given.thinking) : type === 'enabled';
  const effort = fields.text('reasoning_effort');
  return {
    ...(effort === undefined ? {} : { reasoning_effort: effort }),
    ...given,
    ...(wanted === undefined ? {} : { enable_thinking: wanted, thinking: wanted }),
  };
}

const bodyOf = (body: unknown): Fields => {
  if (!isObject(body)) throw invalid('The body must be a JSON object.');
  return new Fields(body);
};

/** The body of POST /v1/chat/completions. @throws Problem 400 */
export function chatAsk(body: unknown): ChatAsk {
  const fields = bodyOf(body);
  const messages = fields.list('messages');
  if (messages === undefined || messages.length === 0) fields.refuse('messages', 'an array with at least one message');
  return { ...common(fields), route: 'chat', messages: messages!.map(messageOf), template: templateOf(fields) };
}

const tokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((token) => Number.isInteger(token) && token >= 0);

function promptsOf(fields: Fields): TextAsk['prompts'] {
  const value = fields.raw('prompt');
  if (typeof value === 'string' || tokens(value)) return [value];
  const fine = Array.isArray(value) && value.length > 0 && value.length <= maxPrompts;
  if (!fine || !value.every((prompt) => typeof prompt === 'string' || tokens(prompt))) {
    fields.refuse('prompt', `a string, an array of token ids, or an array of at most ${maxPrompts} of these`);
  }
  return value as TextAsk['prompts'];
}

/** The body of POST /v1/completions. @throws Problem 400 */
export function textAsk(body: unknown): TextAsk {
  const fields = bodyOf(body);
  const suffix = fields.text('suffix');
  const prompts = promptsOf(fields);
  const asked = common(fields);
  // OpenAI's default for this older route.
  return {
    maxTokens: 16,
    ...asked,
    route: 'text',
    prompts,
    ...present({ suffix: suffix === '' ? undefined : suffix }),
  };
}
