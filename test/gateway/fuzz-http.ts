/** Malformed and odd requests, as bytes: each is made from a number alone, so that any of them can be made again. */
import { type Dice, dice } from './dice.js';
import { bodyOf, oddBody } from './fuzz-json.js';
import { apiKey } from './harness.js';

export interface Case {
  readonly kind: string;
  readonly bytes: Buffer;
}

/** What a request that slipped through inside another one would ask. */
export const smuggled = 'smuggled-into-another';

const CRLF = '\r\n';
const chat = '/v1/chat/completions';
const bearer = `Authorization: Bearer ${apiKey}`;

const latin = (text: string) => Buffer.from(text, 'latin1');

const head = (line: string, headers: readonly string[]): Buffer => latin([line, ...headers, '', ''].join(CRLF));

const post = (body: Buffer | string, more: readonly string[] = [], path = chat): Buffer => {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return Buffer.concat([
    head(`POST ${path} HTTP/1.1`, ['Host: x', bearer, `Content-Length: ${bytes.length}`, ...more]),
    bytes,
  ]);
};

const bytesOf = (d: Dice, most: number): Buffer =>
  Buffer.from(Array.from({ length: d.below(most) }, () => d.below(256)));

function hurt(d: Dice, bytes: Buffer): Buffer {
  let out = Buffer.from(bytes);
  for (let i = 1 + d.below(4); i > 0; i -= 1) {
    const at = d.below(out.length + 1);
    const to = Math.min(out.length, at + 1 + d.below(12));
    const [before, piece, after] = [out.subarray(0, at), out.subarray(at, to), out.subarray(to)];
    const change = d.pick([
      Buffer.alloc(0),
      bytesOf(d, 9),
      Buffer.concat([piece, piece]),
      latin(d.pick(['\0', '\n', '\r', '"', '%', '\xff'])),
    ]);
    out = Buffer.concat([before, change, after]);
  }
  return out;
}

function json(d: Dice): Case {
  const path = d.pick([chat, chat, '/v1/completions', '/v1/embeddings', '/v1/text/generate', '/beta/completions']);
  const bytes = latin(oddBody(d));
  return { kind: 'json', bytes: post(d.chance(0.2) ? hurt(d, bytes) : bytes, [], path) };
}

/** Two readings of where a body ends; the one inside is a request with a key that is good. */
function smuggling(d: Dice): Case {
  const inner = post(bodyOf(smuggled)).toString('latin1');
  const chunk = (text: string) => `${text.length.toString(16)}${CRLF}${text}${CRLF}`;
  const body = bodyOf();
  const forms: readonly (readonly [string[], string])[] = [
    [['Content-Length: 6', 'Transfer-Encoding: chunked'], `0${CRLF}${CRLF}${inner}`],
    [['Transfer-Encoding: chunked', `Content-Length: ${body.length}`], `${chunk(body)}0${CRLF}${CRLF}`],
    [[`Content-Length: ${body.length}`, 'Content-Length: 0'], body],
    [['Content-Length: 0', `Content-Length: ${body.length}`], inner],
    [[`Content-Length: ${body.length}, ${body.length}`], body],
    [[`Content-Length: +${body.length}`], body],
    [[`Content-Length: 0x${body.length.toString(16)}`], body],
    [['Content-Length: -1'], inner],
    [['Content-Length: 99999999999999999999'], inner],
    [[`Content-Length : ${body.length}`], body],
    [['Content-Length:'], inner],
    [['Transfer-Encoding: xchunked'], `${chunk(body)}0${CRLF}${CRLF}`],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `${chunk(body)}0${CRLF}${CRLF}`],
    [['Transfer-Encoding: identity', `Content-Length: ${body.length}`], body],
    [['Transfer-Encoding:\x0bchunked'], `${chunk(body)}0${CRLF}${CRLF}`],
    [['Transfer-Encoding : chunked', 'Content-Length: 5'], `0${CRLF}${CRLF}${inner}`],
    [['Transfer-Encoding: chunked, identity'], `${chunk(body)}0${CRLF}${CRLF}`],
    [['X: y', ' Transfer-Encoding: chunked', 'Content-Length: 5'], `0${CRLF}${CRLF}${inner}`],
    [['X: y\nTransfer-Encoding: chunked'], `${chunk(body)}0${CRLF}${CRLF}`],
    [['X: y\rTransfer-Encoding: chunked'], inner],
    [['X: y\0Transfer-Encoding: chunked'], inner],
    [['Transfer_Encoding: chunked', 'Content-Length: 0'], inner],
    [['Transfer-Encoding: chunked'], `${chunk(body)}0${CRLF}Content-Length: 9${CRLF}${CRLF}`],
    [
      ['Transfer-Encoding: chunked'],
      `${body.length.toString(16)};a="${'b'.repeat(d.below(5000))}"${CRLF}${body}${CRLF}0${CRLF}${CRLF}`,
    ],
    [['Transfer-Encoding: chunked'], `${body.length.toString(16)}\n${body}\n0\n\n`],
    [['Transfer-Encoding: chunked'], `fffffffffffffffff${CRLF}${body}`],
    [['Transfer-Encoding: chunked'], `-1${CRLF}${body}${CRLF}0${CRLF}${CRLF}`],
    [['Transfer-Encoding: chunked'], `zz${CRLF}${body}`],
    [['Transfer-Encoding: chunked'], `${[...body].map(chunk).join('')}0${CRLF}${CRLF}`],
  ];
  const [headers, rest] = d.pick(forms);
  const version = d.pick(['1.1', '1.1', '1.0']);
  const bytes = Buffer.concat([head(`POST ${chat} HTTP/${version}`, ['Host: x', bearer, ...headers]), latin(rest)]);
  return { kind: 'smuggling', bytes: d.chance(0.15) ? hurt(d, bytes) : bytes };
}

const odd = [
  ...[
    '//v1/chat/completions',
    '/v1//chat/completions',
    '/%76%31/chat/completions',
    '/v1/../v1/chat/completions',
    '/v1/chat%2fcompletions',
  ],
  ...[
    '/v1/%2e%2e/%2e%2e/settings',
    '/v1/chat/completions/',
    '/v1/chat/completions;x',
    '/v1/chat/completions?x=1',
    '/v1/chat/completions#x',
  ],
  ...[
    'http://x/v1/models',
    'http://evil:80/settings',
    '*',
    'x',
    '',
    '/v1/models/%00',
    '/v1/models/%zz',
    '/v1/models/\xff',
    '/v1/models/a%0d%0aX:y',
  ],
  ...[
    '/settings',
    '/state',
    '/metrics',
    '/token-keys',
    '/refused',
    '/insecure',
    '/@failed',
    '/@cloud',
    '/flush_cache',
    '/health/../settings',
  ],
  ...[
    '/sglang.runtime.v1.SglangService/ChatComplete',
    '/v1/load_lora_adapter',
    '/collective_rpc',
    '/v1/models/m',
    '/v1/models/../../settings',
  ],
  ...[
    '/\\..\\settings',
    '/v1\\chat',
    `/${'a'.repeat(9000)}`,
    `/v1/models?${'a=1&'.repeat(3000)}`,
    '/..;/settings',
    '/.%00/settings',
    '/V1/CHAT/COMPLETIONS',
  ],
];

function path(d: Dice): Case {
  const line = `${d.pick(['GET', 'POST', 'OPTIONS', 'HEAD'])} ${d.pick(odd)} HTTP/1.1`;
  const body = bodyOf(smuggled);
  const bytes = Buffer.concat([head(line, ['Host: x', bearer, `Content-Length: ${body.length}`]), latin(body)]);
  return { kind: 'path', bytes: d.chance(0.2) ? hurt(d, bytes) : bytes };
}

function method(d: Dice): Case {
  const word = d.pick([
    'get',
    'TRACE',
    'TRACK',
    'CONNECT',
    'PUT',
    'DELETE',
    'PATCH',
    'PURGE',
    'PRI',
    'A'.repeat(5000),
    'G\0T',
    'PO ST',
    '',
    'POST\t',
    '\xff',
  ]);
  const target = d.pick([chat, '/v1/models', '*', 'x:443', '/oauth2/token']);
  const version = d.pick([
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    'HTTP/9.9',
    'HTTP/1.12345',
    'http/1.1',
    'HTTP/',
    '',
    'ICAP/1.0',
  ]);
  return { kind: 'method', bytes: head(`${word} ${target} ${version}`, ['Host: x', bearer, 'Content-Length: 0']) };
}

const headers: readonly ((d: Dice) => string)[] = [
  (d) => `Expect: ${d.pick(['100-continue', '200-ok', '100-continue, x', ''])}`,
  (d) =>
    `Upgrade: ${d.pick(['h2c', 'websocket', 'TLS/1.0'])}${CRLF}Connection: Upgrade${CRLF}HTTP2-Settings: AAMAAABkAAQAAP__`,
  (d) =>
    `X-Request-Id: ${d.pick(['","status":200,"x":"', 'a'.repeat(10_000), 'ü', '\x01', '../../x', 'a b', '%s%n', ''])}`,
  (d) => `traceparent: ${d.pick(['00-x', 'a'.repeat(4000), '\x7f', '00-0-0-00'])}`,
  (d) => `X-Cache: ${d.pick(['on', 'off', 'refresh', 'x', '\xff'])}`,
  (d) => `Origin: ${d.pick(['null', 'http://evil', '*', 'a'.repeat(3000)])}`,
  (d) => `Content-Encoding: ${d.pick(['gzip', 'br', 'x'])}`,
  (d) =>
    `Content-Type: ${d.pick(['text/plain', 'multipart/form-data; boundary=x', '', 'application/json; charset=utf-16'])}`,
  (d) => `Range: bytes=${d.pick(['0-1', '-', '9-1', '0-0,0-0,0-0'])}`,
  (d) => `X-Forwarded-For: ${d.pick(['127.0.0.1', '$(id)', 'jndi:ldap://x', "' or 1=1"])}`,
  (d) => `X-Tenant: ${d.pick(['other', '*'])}${CRLF}X-Key-Id: key_1`,
  (d) => `Host: ${d.pick(['', 'evil', 'a'.repeat(5000), '[::1', 'x\0y', 'x y'])}`,
  (d) =>
    `Authorization: ${d.pick(['Basic eA==', 'Bearer', `Bearer ${apiKey} x`, `bearer ${apiKey}`, `Bearer ${'a'.repeat(9000)}`, 'Bearer eyJhbGciOiJub25lIn0.e30.', 'Digest x', `Bearer \t${apiKey}`])}`,
  (d) => Array.from({ length: d.pick([50, 300]) }, (_, i) => `X-${i}: ${i}`).join(CRLF),
  () => `X-Big: ${'b'.repeat(20_000)}`,
  (d) => d.pick(['NoColon', ': empty', 'X\0: y', 'X y: z', '\xff: z', 'X:\x01', 'X: \x7f', ' leading: x']),
  () => `Cookie: key=${apiKey}`,
  () => `X-Api-Key: ${apiKey}`,
];

function header(d: Dice): Case {
  const more = Array.from({ length: 1 + d.below(3) }, () => d.pick(headers)(d));
  const body = latin(bodyOf());
  const first = d.chance(0.3) ? [] : ['Host: x', bearer];
  const bytes = Buffer.concat([
    head(`POST ${d.pick([chat, chat, '/v1/embeddings'])} HTTP/1.1`, [
      ...first,
      `Content-Length: ${body.length}`,
      ...more,
    ]),
    body,
  ]);
  return { kind: 'header', bytes };
}

function token(d: Dice): Case {
  const form = d.pick([
    () =>
      `grant_type=client_credentials&client_id=${d.pick(['x', '%00', '%zz', 'a'.repeat(7000)])}&client_secret=${apiKey}`,
    () => 'grant_type=client_credentials&'.repeat(1 + d.below(200)),
    () => bytesOf(d, 400).toString('latin1'),
    () => '&=&=&%=%&+'.repeat(d.below(300)),
    () => '{"grant_type":"client_credentials"}',
  ])();
  const type = d.pick(['application/x-www-form-urlencoded', 'application/json', 'x']);
  const basic = d.chance(0.4) ? [`Authorization: Basic ${bytesOf(d, 60).toString('base64')}`] : [];
  const first = ['Host: x', `Content-Type: ${type}`, ...basic, `Content-Length: ${form.length}`];
  return { kind: 'token', bytes: Buffer.concat([head('POST /oauth2/token HTTP/1.1', first), latin(form)]) };
}

const noise = (d: Dice): Case => ({
  kind: 'noise',
  bytes: d.pick([
    () => bytesOf(d, 3000),
    () => latin(`PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}\0\0\0\x04\0\0\0\0\0`),
    () => latin('\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'),
    () => latin('GET /v1/models\r\n'),
    () => latin(CRLF.repeat(d.below(50))),
    () => latin(`${'\n'.repeat(d.below(50))}GET / HTTP/1.1\n\n`),
    () => Buffer.alloc(0),
    () => latin(`POST ${chat} HTTP/1.1${CRLF}Host: x${CRLF}${bearer}${CRLF}Content-Length: 4000000${CRLF}${CRLF}{`),
  ])(),
});

const mutated = (d: Dice): Case => ({
  kind: 'mutated',
  bytes: hurt(d, post(bodyOf(), ['X-Cache: on', 'traceparent: 00-1-2-01'])),
});

const plain = (d: Dice): Case => ({ kind: 'plain', bytes: post(bodyOf('hi', d.chance(0.5) ? ',"stream":true' : '')) });

const single = [
  json,
  json,
  json,
  smuggling,
  smuggling,
  path,
  method,
  header,
  header,
  token,
  noise,
  mutated,
  mutated,
  plain,
];

const pipelined = (d: Dice): Case => {
  const list = Array.from({ length: 2 + d.below(6) }, () => d.pick(single)(d).bytes);
  return { kind: 'pipelined', bytes: Buffer.concat(list) };
};

/** The request of a seed, or several over one connection, sent at once. */
export function caseOf(seed: number): Case {
  const d = dice(seed);
  return d.chance(0.1) ? pipelined(d) : d.pick(single)(d);
}
