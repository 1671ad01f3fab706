/** node:http for single requests, undici for load. Both are loaded when they are first needed: start-up stays cheap. */
import type { Dispatcher } from 'undici';
import type { Http, HttpRequest, HttpResponse, StreamHandler } from '../world.js';

type Env = Readonly<Record<string, string | undefined>>;
type Undici = typeof import('undici');

const defaultTimeoutMs = 10_000;
const connectTimeoutMs = 10_000;
const product = { 'user-agent': 'deepseek-deploy' };

const late = (ms: number): Error => Object.assign(new Error(`no answer within ${ms} ms`), { code: 'ETIMEDOUT' });

/** What the environment's proxies may not touch: our own engine and gateway answer there. */
const isLoopback = (hostname: string): boolean => /^(localhost|127\.[\d.]+|\[::1\])$/i.test(hostname);

interface Proxies {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

/** Empty: none. Lower case goes before capitals, as with curl. */
const proxiesOf = (env: Env): Proxies => ({
  httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? '',
  httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? '',
  noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
});

const proxied = (url: URL, { httpProxy, httpsProxy }: Proxies): boolean =>
  !isLoopback(url.hostname) && (url.protocol === 'https:' ? httpsProxy : httpProxy) !== '';

type Incoming = Readonly<Record<string, string | readonly string[] | undefined>>;

function plainHeaders(headers: Incoming): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) plain[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return plain;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return new TextDecoder().decode(Buffer.concat(parts));
}

const answer = (status: number, headers: Incoming, body: AsyncIterable<Uint8Array>): HttpResponse => ({
  status,
  headers: plainHeaders(headers),
  body,
  text: () => textOf(body),
});

/** A connection of its own for each request: nothing is reused that the other side may just have closed. */
async function direct(url: URL, request: HttpRequest): Promise<HttpResponse> {
  const { request: open } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const { signal, timeoutMs = defaultTimeoutMs, idleTimeoutMs = 0 } = request;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const sent = open(url, {
      method: request.method ?? 'GET',
      headers: { ...product, ...request.headers },
      agent: false,
      ...(request.ca === undefined ? {} : { ca: request.ca }),
    });
    let onAbort = (): void => void sent.destroy(signal?.reason);
    const aborted = (): void => onAbort();
    signal?.addEventListener('abort', aborted, { once: true });
    const timer = timeoutMs > 0 ? setTimeout(() => sent.destroy(late(timeoutMs)), timeoutMs) : undefined;
    sent.once('error', reject);
    sent.once('response', (got) => {
      clearTimeout(timer);
      onAbort = () => void got.destroy(signal?.reason);
      got.setTimeout(idleTimeoutMs, () => got.destroy(late(idleTimeoutMs)));
      resolve(answer(got.statusCode!, got.headers, got));
    });
    sent.once('close', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    });
    sent.end(request.body);
  });
}

async function throughProxy(url: URL, request: HttpRequest, agent: Dispatcher): Promise<HttpResponse> {
  const { timeoutMs = defaultTimeoutMs } = request;
  const got = await agent.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
    headers: { ...product, ...request.headers },
    body: request.body ?? null,
    headersTimeout: timeoutMs,
    bodyTimeout: request.idleTimeoutMs ?? 0,
    ...(request.signal ? { signal: request.signal } : {}),
  });
  return answer(got.statusCode, got.headers, got.body);
}

/** From undici's events to ours; an abort is told at once, also while a connection is still being made. */
class Relay implements Dispatcher.DispatchHandler {
  #over = false;
  #controller: Dispatcher.DispatchController | undefined;
  readonly #aborted: (() => void) | undefined;

  /** @param free is told once, before `to` hears of the end, whether the request ever reached a connection. */
  constructor(
    readonly to: StreamHandler,
    readonly signal: AbortSignal | undefined,
    readonly free: (begun: boolean) => void,
  ) {
    if (!signal) return;
    this.#aborted = () => {
      this.#controller?.abort(signal.reason);
      this.#finish(signal.reason as Error);
    };
    if (signal.aborted) this.#aborted();
    else signal.addEventListener('abort', this.#aborted, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(this.signal?.reason);
    else this.to.onSent?.(performance.now());
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Incoming): void {
    const at = performance.now();
    // 1xx is a word on the way.
    if (!this.#over && status >= 200) this.to.onHeaders(status, plainHeaders(headers), at);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Uint8Array): void {
    const at = performance.now();
    if (!this.#over) this.to.onData(chunk, at);
  }

  onResponseEnd(): void {
    this.#finish(undefined);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#finish(error);
  }

  #finish(error: Error | undefined): void {
    const at = performance.now();
    if (this.#over) return;
    this.#over = true;
    if (this.#aborted) this.signal?.removeEventListener('abort', this.#aborted);
    this.free(this.#controller !== undefined);
    if (error === undefined) this.to.onEnd(at);
    else this.to.onError(error, at);
  }
}

interface Route {
  readonly origin: string;
  readonly path: string;
  /** Connections that nobody uses, the latest used last: one request at a time on each. */
  readonly idle: Dispatcher[];
}

/**
 * As many connections as there are requests at once, and no more: undici's own pool takes one for busy until the loop
 * has turned, so a request sent from the end of another would open a new one. What is idle keeps no process alive.
 */
class Streams {
  readonly #idle = new Map<string, Dispatcher[]>();
  readonly #routes = new Map<string, Route>();
  readonly #connect: ReturnType<Undici['buildConnector']>;
  #agent: Dispatcher | undefined;

  constructor(
    readonly undici: Undici,
    readonly proxies: Proxies,
  ) {
    this.#connect = undici.buildConnector({ timeout: connectTimeoutMs });
  }

  open(request: HttpRequest, handler: StreamHandler): void {
    const { origin, path, idle } = this.#route(request);
    const client = idle.pop() ?? this.#client(origin, request.ca);
    const relay = new Relay(handler, request.signal, (begun) => {
      if (begun) idle.push(client);
      else if (client !== this.#agent) void client.destroy();
    });
    if (request.signal?.aborted) return;
    client.dispatch(
      {
        origin,
        path,
        method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
        headers: { ...product, ...request.headers },
        body: request.body ?? null,
        headersTimeout: request.timeoutMs ?? defaultTimeoutMs,
        bodyTimeout: 0,
      },
      relay,
    );
  }

  /** Through the environment's proxies; keeps connections of its own. */
  agent(): Dispatcher {
    this.#agent ??= new this.undici.EnvHttpProxyAgent(this.proxies);
    return this.#agent;
  }

  #client(origin: string, ca: string | undefined): Dispatcher {
    if (ca !== undefined) {
      const connect = this.undici.buildConnector({ timeout: connectTimeoutMs, ca });
      return new this.undici.Client(origin, { pipelining: 1, connect });
    }
    if (proxied(new URL(origin), this.proxies)) return this.agent();
    return new this.undici.Client(origin, { pipelining: 1, connect: this.#connect });
  }

  #route({ url, ca = '' }: HttpRequest): Route {
    // Connections that trust different CAs are never exchanged.
    const address = ca + url;
    const known = this.#routes.get(address);
    if (known) return known;
    const { origin, pathname, search } = new URL(url);
    const idle = this.#idle.get(ca + origin) ?? [];
    this.#idle.set(ca + origin, idle);
    const route = { origin, path: pathname + search, idle };
    this.#routes.set(address, route);
    return route;
  }
}

export function http(env: Env): Http {
  const proxies = proxiesOf(env);
  let ready: Streams | undefined;
  let loading: Promise<Streams> | undefined;
  const streams = (): Promise<Streams> => {
    loading ??= import('undici').then((undici) => {
      ready = new Streams(undici, proxies);
      return ready;
    });
    return loading;
  };
  return {
    async request(request) {
      const url = new URL(request.url);
      return request.ca === undefined && proxied(url, proxies)
        ? throughProxy(url, request, (await streams()).agent())
        : direct(url, request);
    },
    stream(request, handler) {
      if (ready) ready.open(request, handler);
      else void streams().then((loaded) => loaded.open(request, handler));
    },
  };
}

export const systemHttp: Http = http(process.env);
