import { type Conversation, converse, type Listener, type Served } from './answering.js';
import type { Log } from './log.js';
import type { ChatAsk, TextAsk } from './request.js';
import type { Head } from './transcript.js';

/** Called once, at the end, with what goes into the log. */
export type Ended = (outcome: 'ok' | 'error', detail: object) => void;

/**
 * A streamed answer is opened with its first token, and at this time at the latest, ms: whoever stands between can then
 * keep the connection alive, while a prefill lasts.
 */
const openWithinMs = 2000;

export interface Reply extends Listener {
  /** Opens a streamed answer, if that has not been done. */
  open(): void;
  /** All has been said. */
  readonly finished: boolean;
}

export interface Session {
  /** The client went away; may be said again. */
  gone(): void;
}

const tenths = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : Math.round(ms * 10) / 10;

/** Runs one request over whatever transport, and logs one line when it is over. @throws Problem */
export function begin(
  served: Served,
  ask: ChatAsk | TextAsk,
  id: string,
  via: { readonly log: Log; readonly transport: 'http' | 'grpc' },
  reply: (head: Head, ended: Ended) => Reply,
): Session {
  const begun = performance.now();
  const prefix = ask.route === 'chat' ? 'chatcmpl' : 'cmpl';
  const head = { id: `${prefix}-${id}`, created: Math.floor(Date.now() / 1000), model: served.modelId };
  let conversation: Conversation | undefined;
  let left = false;
  let opening: NodeJS.Timeout | undefined;
  const record = (outcome: string, detail: object): void => {
    const { timing } = conversation ?? {};
    clearTimeout(opening);
    via.log('request', {
      id,
      route: ask.route,
      transport: via.transport,
      stream: ask.stream,
      outcome,
      ...detail,
      queue_ms: tenths(timing?.queueMs),
      first_token_ms: tenths(timing?.firstTokenMs),
      total_ms: tenths(performance.now() - begun),
    });
  };
  const listener = reply(head, record);
  conversation = converse(served, ask, listener);
  opening = setTimeout(() => listener.open(), openWithinMs).unref();
  return {
    gone: () => {
      if (left || listener.finished) return;
      left = true;
      conversation.cancel();
      record('gone', {});
    },
  };
}
