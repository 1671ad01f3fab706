/** The part of nginx.conf that faces a cloud's API: OpenAI-compatible, over TLS with its certificate checked. */
import { block, quoted } from './nginx-words.js';

export interface CloudWay {
  /** The CAs, in PEM, that a cloud's certificate is checked against; absent: there is no way to a cloud. */
  readonly cloudCa?: string;
}

/** No connection to a cloud is kept: kept ones are told apart by address, and many names share one. */
export const cloudUpstream = ({ cloudCa }: CloudWay): string[] =>
  cloudCa === undefined
    ? []
    : block('upstream cloud', ['server 0.0.0.1;', 'balancer_by_lua_block { require("gateway").balance() }']);

/** All but what tells the caller that the request itself was wrong: 400, 413, 415 and 422 pass. */
const failures =
  '301 302 303 307 308 401 402 403 404 405 406 407 408 409 410 411 412 414 421 423 424 425 426 428 429 431 451 ' +
  '500 501 502 503 504 505 507 508 520 521 522 523 524 525 526 529';

/** Headers of a cloud's that would speak for us. */
const hidden = [
  ...['Set-Cookie', 'Strict-Transport-Security', 'Alt-Svc', 'Access-Control-Allow-Origin'],
  ...['X-Request-Id', 'X-Cache', 'X-Degraded'],
];

/** None of the caller's headers goes there, and no trace. */
const asks = (cloudCa: string): string[] => [
  'proxy_pass https://cloud;',
  'proxy_ssl_server_name on;',
  'proxy_ssl_name $gateway_cloud_name;',
  'proxy_ssl_verify on;',
  'proxy_ssl_verify_depth 5;',
  `proxy_ssl_trusted_certificate ${quoted(cloudCa)};`,
  'proxy_ssl_protocols TLSv1.2 TLSv1.3;',
  'proxy_ssl_session_reuse off;',
  'proxy_set_header Host $gateway_cloud_host;',
  'proxy_set_header Connection close;',
  'proxy_set_header Content-Type application/json;',
  'proxy_set_header Authorization $gateway_authorization;',
  ...hidden.map((name) => `proxy_hide_header ${name};`),
  'proxy_connect_timeout 5s;',
  'proxy_next_upstream error timeout invalid_header non_idempotent;',
  'proxy_next_upstream_timeout 10s;',
];

export const overTls = ({ cloudCa }: CloudWay): string[] =>
  cloudCa === undefined
    ? []
    : [
        ...block('location @cloud', [
          ...asks(cloudCa),
          'proxy_intercept_errors on;',
          `error_page ${failures} @cloud_failed;`,
          'body_filter_by_lua_block { require("gateway").chunk() }',
        ]),
        ...block('location @cloud_failed', ['content_by_lua_block { require("gateway").cloud_failed() }']),
      ];
