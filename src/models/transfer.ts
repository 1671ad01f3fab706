/** One request for one file: redirects, ranges, and what the answer means. Whether to ask again is the caller's affair. */
import { fileURLToPath } from 'node:url';
import type { HttpResponse, World } from '../world.js';
import { anotherSize, badRedirect, diskFull, notAFile, refused } from './refused.js';

export interface Source {
  readonly url: string;
  readonly bytes: number;
  /** Sent as a bearer token to the origin of `url` only, never to where it redirects. */
  readonly token?: string;
}

/** The connection or the server failed in a way that may be gone in a moment. */
export class Broken extends Error {
  constructor(
    message: string,
    readonly retryAfterMs: number | undefined,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

const redirects = 5;
const headersMs = 30_000;
const idleMs = 60_000;
const longestRetryAfterMs = 60_000;

const broken = (error: unknown): Broken =>
  new Broken(error instanceof Error ? error.message : String(error), undefined, error);

/**
 * Adds to `part` what is missing of it, or writes it anew where the server knows no ranges.
 * @param from bytes that `part` has
 * @param onBytes how many bytes `part` has, when that is not `from`; then each count that is added
 * @throws Broken when asking again may help; UserError when not
 */
export async function transfer(
  world: World,
  source: Source,
  part: string,
  from: number,
  onBytes: { start(from: number): void; add(count: number): void },
): Promise<void> {
  if (source.url.startsWith('file:')) return copy(world, source, part, from, onBytes);
  const connection = new AbortController();
  const signal = AbortSignal.any([world.stop, connection.signal]);
  try {
    const { response, url } = await open(world, source, from, signal);
    const at = startOf(response, url, source, from);
    if (at === undefined) {
      await world.files.remove(part);
      throw new Broken(`${url} does not carry on where the download stopped`, 0);
    }
    onBytes.start(at);
    await write(world, response.body, part, at, { ...source, url }, onBytes.add);
  } finally {
    // A body that was not read to its end holds its connection.
    connection.abort();
  }
}

const piece = 4 << 20;

/** From a disk: weights that lie beside a bundle. */
async function copy(
  world: World,
  { url, bytes }: Source,
  part: string,
  from: number,
  onBytes: { start(from: number): void; add(count: number): void },
): Promise<void> {
  const path = fileURLToPath(url);
  const { size } = (await world.files.stat(path)) ?? {};
  if (size === undefined) throw refused(404, url);
  if (size !== bytes) throw anotherSize(url, bytes, size);
  onBytes.start(from);
  async function* pieces(): AsyncIterable<Uint8Array> {
    for (let at = from; at < bytes; at += piece) {
      world.stop.throwIfAborted();
      yield await world.files.readBytes(path, { from: at, length: Math.min(piece, bytes - at) });
    }
  }
  await write(world, pieces(), part, from, { url, bytes }, onBytes.add);
}

async function open(
  world: World,
  source: Source,
  from: number,
  signal: AbortSignal,
): Promise<{ readonly response: HttpResponse; readonly url: string }> {
  let url = source.url;
  for (let hop = 0; hop <= redirects; hop++) {
    const trusted = new URL(url).origin === new URL(source.url).origin;
    const headers = {
      'accept-encoding': 'identity',
      ...(from > 0 ? { range: `bytes=${from}-` } : {}),
      ...(source.token !== undefined && trusted ? { authorization: `Bearer ${source.token}` } : {}),
    };
    const asked = { url, headers, timeoutMs: headersMs, idleTimeoutMs: idleMs, signal };
    const response = await world.http.request(asked).catch((error: unknown) => {
      throw broken(error);
    });
    if (![301, 302, 303, 307, 308].includes(response.status)) return { response, url };
    await response.text().catch(() => '');
    url = follow(url, response.headers.location);
  }
  throw badRedirect(source.url, url);
}

function follow(url: string, location: string | undefined): string {
  const to = location !== undefined && URL.canParse(location, url) ? new URL(location, url) : undefined;
  const secure = new URL(url).protocol === 'https:';
  const allowed = secure ? ['https:'] : ['http:', 'https:'];
  if (!to || !allowed.includes(to.protocol)) throw badRedirect(url, location);
  return to.href;
}

/** Where in the file the body begins; undefined when the server cannot carry on from there. */
function startOf({ status, headers }: HttpResponse, url: string, { bytes }: Source, from: number): number | undefined {
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    throw new Broken(`${url} answered ${status}`, retryAfter(headers['retry-after']));
  if (status === 416) return undefined;
  if (status !== 200 && status !== 206) throw refused(status, url);
  if (/^text\/html\b/i.test(headers['content-type'] ?? '')) throw notAFile(url);
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
    if (total !== undefined && total !== '*' && Number(total) !== bytes) throw anotherSize(url, bytes, Number(total));
    return Number(start) === from ? from : undefined;
  }
  const length = headers['content-length'];
  if (length !== undefined && Number(length) !== bytes) throw anotherSize(url, bytes, Number(length));
  return 0;
}

function retryAfter(header: string | undefined): number | undefined {
  const seconds = Number(header);
  return header === undefined || !(seconds >= 0) ? undefined : Math.min(seconds * 1000, longestRetryAfterMs);
}

async function write(
  world: World,
  body: HttpResponse['body'],
  part: string,
  at: number,
  { url, bytes }: Source,
  add: (count: number) => void,
): Promise<void> {
  const chunks = body[Symbol.asyncIterator]();
  const sink = await world.files.sink(part, at > 0);
  let done = at;
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        throw broken(error);
      });
      if (next.done) break;
      done += next.value.length;
      if (done > bytes) throw anotherSize(url, bytes, done);
      await sink.write(next.value);
      add(next.value.length);
    }
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? diskFull(part, bytes - done, undefined, error) : error;
  } finally {
    await sink.close();
  }
  if (done < bytes) throw new Broken(`the connection closed after ${done} of ${bytes} bytes`, undefined);
}
