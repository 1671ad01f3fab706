/**
 * `engine EVENTS_A_SECOND` | `client URL COUNT`: both ends of the streams, as cheap as can be.
 * The engine writes the time of sending into each event; both ends read the system's monotonic clock.
 */
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { apiKey } from '../gateway/harness.js';

const TICK = 5; // ms between two writes of the engine
const [role, ...words] = process.argv.slice(2);
const now = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const piece = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const event = (at: number): string => {
  const delta = `{"index":0,"delta":{"content":"${at.toFixed(3)}"},"finish_reason":null}`;
  return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[${delta}]}\n\n`;
};

/** Events go round among the streams, at one rate for all of them together. */
function engine(rate: number): void {
  const open: Socket[] = [];
  const leave = (socket: Socket) => {
    const at = open.indexOf(socket);
    if (at >= 0) open.splice(at, 1);
  };
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.once('data', () => {
      socket.write(head + piece(event(now())));
      open.push(socket);
    });
    socket.on('close', () => leave(socket)).on('error', () => leave(socket));
  });
  let next = 0;
  let due = 0;
  setInterval(() => {
    due += (rate * TICK) / 1000;
    for (; due >= 1 && open.length > 0; due -= 1) {
      next = (next + 1) % open.length;
      open[next]!.write(piece(event(now())));
    }
    due = Math.min(due, 1);
  }, TICK);
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
    console.log((server.address() as { port: number }).port);
  });
}

const body = JSON.stringify({
  ...{ model: 'm', stream: true, temperature: 0.6, max_tokens: 1024 },
  messages: [{ role: 'user', content: 'The quick brown fox jumps over the lazy dog.' }],
});

/** A stream is open with its first event. */
function open(url: URL, seen: (text: string, at: number) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.write(
        `POST ${url.pathname} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\n` +
          `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    });
    socket.on('data', (data) => {
      const at = now();
      const text = data.toString('latin1');
      if (text.includes('data: {')) resolve(true);
      else if (text.startsWith('HTTP') && !text.startsWith('HTTP/1.1 200')) resolve(false);
      seen(text, at);
    });
    socket.on('error', () => resolve(false)).on('close', () => resolve(false));
  });
}

async function client(address: string, count: number): Promise<void> {
  const url = new URL(address);
  let lags: number[] | undefined;
  const seen = (text: string, at: number) => {
    if (!lags) return;
    for (const [, sent] of text.matchAll(/"content":"([\d.]+)"/g)) lags.push(at - Number(sent));
  };
  let opened = 0;
  for (let i = 0; i < count; i += 100) {
    const batch = Array.from({ length: Math.min(100, count - i) }, () => open(url, seen));
    opened += (await Promise.all(batch)).filter(Boolean).length;
  }
  console.log(opened);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'measure') lags = [];
    if (line !== 'end' || !lags) continue;
    const sorted = lags.sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
    console.log([sorted.length, at(0.5), at(0.99), at(1)].join(' '));
    process.exit(0);
  }
}

if (role === 'engine') engine(Number(words[0]));
else await client(words[0]!, Number(words[1]));
