/** Whether a process says that it is ready. */
import { get } from 'node:http';

/** Undefined when the URL answers 2xx within the time, else what happened instead. */
export function ask(url: string, withinMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(withinMs) });
    request.once('response', ({ statusCode = 0 }) => {
      resolve(statusCode >= 200 && statusCode < 300 ? undefined : `${url} answered ${statusCode}`);
      request.destroy();
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const late = error.name === 'AbortError' || error.name === 'TimeoutError';
      resolve(late ? `${url} gave no answer within ${withinMs} ms` : `${url}: ${error.code ?? error.message}`);
    });
  });
}
