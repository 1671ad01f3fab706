import type { ServerResponse } from 'node:http';
import type { Problem } from './problem.js';

export function sendJson(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}) {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

export function sendProblem(response: ServerResponse, problem: Problem): void {
  const { status, retryAfter } = problem;
  sendJson(response, status, problem.json(), {
    ...(retryAfter === undefined ? {} : { 'retry-after': `${retryAfter}` }),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    // The rest of a body that is too large is not read.
    ...(status === 413 ? { connection: 'close' } : {}),
  });
}
