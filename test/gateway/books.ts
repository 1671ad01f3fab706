/** Load with books: each request that is sent ends answered, refused or cut, and the audit log says the same of it. */
import { Agent as HttpAgent, request as http } from 'node:http';
import { Agent as HttpsAgent, request as https } from 'node:https';
import { type AuditLine, apiKey, type Gateway } from './harness.js';

export type End =
  /** Whole: a JSON answer to its end, a stream to its [DONE]. */
  | 'answered'
  /** Another status, with its body whole. */
  | 'refused'
  /** Broken off, by an error event or a dead connection. */
  | 'cut'
  /** A dead connection before the first byte of an answer: whether it was read is not known here. */
  | 'unheard';

export interface Sent {
  readonly end: End;
  readonly status: number;
  /** Milliseconds since the load began, when it ended. */
  readonly at: number;
}

export type Books = ReadonlyMap<string, Sent>;

export interface Load {
  readonly books: Books;
  /** Lets what is in hand end. */
  stop(): Promise<Books>;
}

let loads = 0;

/** Requests from `atOnce` callers, every other one a stream, one after another. @param ca of the gateway's certificate */
export function startLoad({ url }: Gateway, options: { atOnce?: number; ca?: string } = {}): Load {
  const { atOnce = 24, ca } = options;
  loads += 1;
  const name = `load-${loads}`;
  const books = new Map<string, Sent>();
  const started = performance.now();
  const agent = ca ? new HttpsAgent({ keepAlive: true, ca }) : new HttpAgent({ keepAlive: true });
  const send = ca ? https : http;
  let going = true;

  const one = (id: string, stream: boolean): Promise<Pick<Sent, 'end' | 'status'>> =>
    new Promise((done) => {
      const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', 'x-request-id': id };
      const asked = send(`${url}/v1/chat/completions`, { method: 'POST', agent, headers }, (response) => {
        const status = response.statusCode!;
        let text = '';
        response.on('data', (data) => {
          text += data;
        });
        response.on('close', () => {
          const whole = response.complete && (!stream || status !== 200 || text.includes('data: [DONE]'));
          done({ status, end: !whole ? 'cut' : status === 200 ? 'answered' : 'refused' });
        });
        response.on('error', () => {});
      });
      asked.on('error', () => done({ status: 0, end: 'unheard' }));
      asked.end(JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: id }] }));
    });

  const caller = async (lane: number) => {
    for (let i = 0; going; i += 1) {
      const id = `${name}-${lane}-${i}`;
      const end = await one(id, (lane + i) % 2 === 0);
      books.set(id, { ...end, at: performance.now() - started });
      // A gateway that is away refuses connections at once.
      if (end.end === 'unheard') await new Promise((wait) => setTimeout(wait, 10));
    }
  };
  const callers = Promise.all(Array.from({ length: atOnce }, (_, lane) => caller(lane)));
  return {
    books,
    async stop() {
      going = false;
      await callers;
      agent.destroy();
      return books;
    },
  };
}

export const count = (books: Books, end: End): number => [...books.values()].filter((one) => one.end === end).length;

const wanted: Readonly<Record<End, (line: AuditLine, sent: Sent) => boolean>> = {
  answered: (line) => line.outcome === 'complete' && line.status === 200,
  refused: (line, { status }) => line.status === status && line.outcome !== 'cut',
  // What went out whole may have been lost with the connection.
  cut: (line) => line.outcome === 'cut' || line.status === 200,
  unheard: (line) => line.outcome === 'cut' || line.status === 200,
};

/**
 * What does not balance: a request with two lines or with a line that says something else, a line of nobody's, and a
 * request without a line, unless nobody ever saw it.
 * @param seen ids that reached an engine
 */
export function imbalances(books: Books, lines: readonly AuditLine[], seen: ReadonlySet<string>): string[] {
  const found: string[] = [];
  const left = new Map(books);
  const told = new Set<string>();
  for (const line of lines) {
    const id = String(line.id);
    const sent = left.get(id);
    if (!id.startsWith('load-')) continue;
    if (told.has(id)) found.push(`${id} has two lines`);
    else if (!sent) found.push(`${id} was not sent`);
    else if (!wanted[sent.end](line, sent))
      found.push(`${id}: ${JSON.stringify(sent)}, on record ${JSON.stringify(line)}`);
    told.add(id);
    left.delete(id);
  }
  for (const [id, sent] of left) {
    if (sent.end !== 'unheard' || seen.has(id)) found.push(`${id}: ${JSON.stringify(sent)}, not on record`);
  }
  return found;
}
