/** Prompts of about a given length, each different from the first token on, so that neither a response cache nor a prefix cache answers. */

/** Common words that are one token, with the space before them, in the vocabularies in use. */
const words =
  'the of and to in is that it was for on are with as be at one have this from or had by not but some what there we can out other were all your when up use word how said an each she which do their time if will way about many then them would write like so these her long make thing see him two has look more day could go come did my sound no most number who over know water than call first people may down side been now find any new work part take get place made live where after back little only round man year came show every good me give our under name very through just form much great think say help low line before turn cause same mean move right old too does tell set three want air well play small end put home read hand port large add even land here must big high such follow act why ask men change went light kind off need house picture try us again animal point mother world near build self earth father'.split(
    ' ',
  );

/** Marsaglia's xorshift32: the same words for the same seed, on every machine. @returns a number in [0, 1) */
export function random(seed: number): () => number {
  // Spread by a Weyl constant; zero would stay zero.
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export interface PromptPlan {
  /** Tokens aimed at, the chat template's own not counted. */
  readonly tokens: number;
  /** A text of the user's own instead of random words. */
  readonly text?: string | undefined;
  readonly seed: number;
}

const task = 'Go on with this text at length and do not stop:';
/** About what the task and the mark before it come to. */
const taskTokens = 11;
const markTokens = 10;

/** The user's message, without the mark that makes it unique. */
export function promptOf({ tokens, text, seed }: PromptPlan, marked: boolean): string {
  if (text !== undefined) return text;
  const next = random(seed);
  const count = Math.max(1, tokens - taskTokens - (marked ? markTokens : 0));
  return `${task} ${Array.from({ length: count }, () => words[Math.floor(next() * words.length)]!).join(' ')}`;
}

export interface BodyPlan extends PromptPlan {
  readonly model: string;
  readonly maxTokens: number;
  readonly ignoreEos: boolean;
  /**
   * Begins each prompt together with the request's number. Prefix caches go by whole beginnings, so what follows may
   * be the same words. Undefined lets caches answer.
   */
  readonly nonce?: string | undefined;
}

/** Streaming chat completions that end with their usage, serialised once: request `n` only puts its number in. */
export function bodiesOf(plan: BodyPlan): (n: number) => string {
  const slot = plan.nonce === undefined ? '' : `[${plan.nonce}-#] `;
  const body = JSON.stringify({
    model: plan.model,
    messages: [{ role: 'user', content: slot + promptOf(plan, slot !== '') }],
    max_tokens: plan.maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    ...(plan.ignoreEos ? { ignore_eos: true } : {}),
  });
  if (slot === '') return () => body;
  const at = body.indexOf(slot) + slot.length - '#] '.length;
  const [before, after] = [body.slice(0, at), body.slice(at + 1)];
  return (n) => before + n + after;
}
