/** An OpenAI endpoint as the smoke test calls it: any status is an answer, silence is a problem of its own. */
import { SseReader } from '../bench/sse.js';
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';

export interface SmokeTarget {
  /** What an OpenAI client takes, ending in /v1 as a rule. */
  readonly baseUrl: string;
  /** Undefined: the endpoint is called without one. */
  readonly key?: string | undefined;
  readonly model: string;
  /** The engine's own metrics, where they can be reached. */
  readonly engineMetricsUrl?: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Undefined when the body is no JSON. */
  readonly json: unknown;
}

export interface Streamed extends Reply {
  /** The data of each event and when it came (ms, monotonic). */
  readonly events: readonly { readonly data: string; readonly at: number }[];
  /** The stream came to its end; false when `until` ended it. */
  readonly whole: boolean;
}

export interface Ask {
  /** Null sends none. Default: the target's. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 60_000;

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unanswered(line: string, error: unknown): UserError {
  const { message, code } = error as { message?: string; code?: unknown };
  const why = typeof code === 'string' ? code : (message ?? String(error));
  return new UserError('smoke.unanswered', say(`${line}: no answer (${why})`, `${line}：没有响应（${why}）`), {
    hint: say(
      'What runs, and what it wrote: deepseek-deploy status; deepseek-deploy logs',
      '查看状态和日志：deepseek-deploy status；deepseek-deploy logs',
    ),
    cause: error,
  });
}

export class Api {
  constructor(
    readonly world: World,
    readonly target: SmokeTarget,
  ) {}

  /** @param path under the base URL; one that begins with `//` is counted from the server's root. */
  get(path: string, ask: Ask = {}): Promise<Reply> {
    return this.#request('GET', path, undefined, ask);
  }

  /** @param body a string goes as it is. */
  post(path: string, body: unknown, ask: Ask = {}): Promise<Reply> {
    return this.#request('POST', path, typeof body === 'string' ? body : JSON.stringify(body), ask);
  }

  /** A chat completion of one short question; `more` adds fields or replaces them. */
  chat(more: object, ask: Ask = {}): Promise<Reply> {
    return this.post('/chat/completions', this.body(more), ask);
  }

  body(more: object): object {
    const content = 'Count from one to twenty, in words.';
    return { model: this.target.model, messages: [{ role: 'user', content }], max_tokens: 16, ...more };
  }

  /**
   * The same as a stream, read to its end or until `until` says so after an event.
   * @param ask.timeoutMs for the whole stream
   */
  stream(more: object, until: (count: number) => boolean = () => false, ask: Ask = {}): Promise<Streamed> {
    const line = 'POST /chat/completions';
    const stop = new AbortController();
    const events: { data: string; at: number }[] = [];
    const decoder = new TextDecoder();
    let status = 0;
    let headers: Readonly<Record<string, string>> = {};
    let text = '';
    let now = 0;
    const reader = new SseReader((data) => events.push({ data: decoder.decode(data), at: now }));
    return new Promise((resolve, reject) => {
      const end = (whole: boolean): void =>
        resolve({ status, headers, events, whole, text, json: status === 200 ? undefined : parsed(text) });
      this.world.http.stream(
        {
          method: 'POST',
          url: this.#address('/chat/completions'),
          headers: this.#headers(ask.key),
          body: JSON.stringify(this.body({ stream: true, stream_options: { include_usage: true }, ...more })),
          timeoutMs: 0,
          signal: this.#within(ask.timeoutMs, stop.signal),
        },
        {
          onHeaders(code, names) {
            status = code;
            headers = names;
          },
          onData(chunk, at) {
            now = at;
            if (status === 200) reader.push(chunk);
            else text += new TextDecoder().decode(chunk);
            if (status === 200 && !stop.signal.aborted && until(events.length)) stop.abort();
          },
          onEnd() {
            reader.end();
            end(true);
          },
          onError: (error) => {
            if (stop.signal.aborted) end(false);
            else reject(this.world.stop.aborted ? error : unanswered(line, error));
          },
        },
      );
    });
  }

  async #request(method: string, path: string, body: string | undefined, ask: Ask): Promise<Reply> {
    try {
      const response = await this.world.http.request({
        ...{ method, url: this.#address(path), timeoutMs: 0 },
        headers: { ...this.#headers(ask.key), ...ask.headers },
        ...(body === undefined ? {} : { body }),
        signal: this.#within(ask.timeoutMs),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, json: parsed(text) };
    } catch (error) {
      throw this.world.stop.aborted ? error : unanswered(`${method} ${path.replace('//', '/')}`, error);
    }
  }

  #within(ms = defaultTimeoutMs, ...others: readonly AbortSignal[]): AbortSignal {
    return AbortSignal.any([this.world.stop, AbortSignal.timeout(ms), ...others]);
  }

  #address(path: string): string {
    const { baseUrl } = this.target;
    return path.startsWith('//') ? baseUrl.replace(/\/v1$/, '') + path.slice(1) : baseUrl + path;
  }

  #headers(key: string | null | undefined): Record<string, string> {
    const used = key === undefined ? this.target.key : key;
    return { 'content-type': 'application/json', ...(used ? { authorization: `Bearer ${used}` } : {}) };
  }
}
