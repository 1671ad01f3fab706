/** The part of nginx.conf that faces the engines, over HTTP and over gRPC. */
import { block } from './nginx-words.js';

export interface EngineOptions {
  /** Longest silence of an engine, in seconds: above the longest prefill. Default 600. */
  readonly engineSilence?: number;
  /** How long an idle connection to an engine is kept, in seconds: below the engine's own limit. Default 4. */
  readonly engineKeepAlive?: number;
}

/** Kept connections speak one protocol: gRPC has an upstream of its own. */
export const upstream = (name: string, options: EngineOptions): string[] =>
  block(`upstream ${name}`, [
    'server 0.0.0.1;',
    'balancer_by_lua_block { require("gateway").balance() }',
    'keepalive 256;',
    'keepalive_requests 100000;',
    `keepalive_timeout ${options.engineKeepAlive ?? 4}s;`,
  ]);

/** Seconds. */
const silence = (options: EngineOptions): number => options.engineSilence ?? 600;

/** The caller's headers that engines see, where they are what they should be: engines refuse others, or take them amiss. */
export const passed = (): string[] =>
  (
    [
      ['accept', '[ -~]{1,512}'],
      ['traceparent', '[0-9a-f]{2}-[0-9a-f]{1,32}-[0-9a-f]{1,16}-[0-9a-f]{2}'],
      ['tracestate', '[ -~]{1,512}'],
    ] as const
  ).flatMap(([name, shape]) =>
    block(`map $http_${name} $gateway_${name}`, ['default "";', `"~^${shape}$" $http_${name};`]),
  );

/** What holds for engines whatever they speak. */
const engine = (module: 'proxy' | 'grpc', options: EngineOptions): string[] =>
  [
    'set_header Authorization $gateway_authorization;',
    'set_header X-Request-Id $gateway_id;',
    'hide_header X-Request-Id;',
    // Who may read an answer is ours to say.
    'hide_header Access-Control-Allow-Origin;',
    'connect_timeout 1s;',
    `send_timeout 30s;`,
    `read_timeout ${silence(options)}s;`,
  ].map((line) => `${module}_${line}`);

/** All headers towards the engine are written here, and none of the caller's passes by itself. */
export const proxy = (options: EngineOptions): string[] => [
  ...engine('proxy', options),
  'proxy_http_version 1.1;',
  'proxy_pass_request_headers off;',
  'proxy_set_header Host engine;',
  'proxy_set_header Connection "";',
  'proxy_set_header Content-Type application/json;',
  'proxy_set_header Accept $gateway_accept;',
  'proxy_set_header traceparent $gateway_traceparent;',
  'proxy_set_header tracestate $gateway_tracestate;',
  // A POST is retried only with non_idempotent; a failure that came slowly has cost GPU time already.
  'proxy_next_upstream error timeout invalid_header http_502 http_504 non_idempotent;',
  'proxy_next_upstream_timeout 2500ms;',
  'proxy_next_upstream_tries 0;',
  'proxy_buffering off;',
  'proxy_ignore_client_abort off;',
];

/** The caller's headers are cleared by Lua: grpc_pass has no switch for it. Traces travel in the message. */
export const grpc = (options: EngineOptions): string[] => [
  ...engine('grpc', options),
  // The next try is core.grpc's: nginx (to 1.31 at the least) writes the number of a kept connection's stream into the
  // request's head and leaves it there for a try on a new connection, where the body then has another number.
  'grpc_next_upstream off;',
  'grpc_set_header Host engine;',
  'grpc_set_header TE trailers;',
  'grpc_set_header Content-Type application/grpc;',
  'grpc_set_header grpc-timeout $gateway_deadline;',
  ...['Status', 'Message', 'Status-Details-Bin', 'Encoding', 'Accept-Encoding'].map(
    (name) => `grpc_hide_header Grpc-${name};`,
  ),
];

/** Streams pass through the named location; answers that are not streamed are fetched by a subrequest to the path. */
export const overGrpc = (options: EngineOptions): string[] => {
  const asks = [
    'rewrite_by_lua_block { require("gateway").grpc_rewrite() }',
    'header_filter_by_lua_block { require("gateway").grpc_head() }',
    'body_filter_by_lua_block { return require("gateway").grpc_chunk() }',
    'grpc_pass grpc://engine_grpc;',
  ];
  return [
    ...block('location @grpc_stream', ['grpc_intercept_errors on;', 'error_page 502 503 504 @failed;', ...asks]),
    // Its errors are told to who asked, and not turned into pages.
    ...block('location /sglang.runtime.v1.SglangService/', [
      'internal;',
      'error_page 599 /refused;',
      // The longest silence is all the time that such an answer has.
      `set $gateway_deadline ${silence(options)}S;`,
      ...asks,
    ]),
    // From an engine over gRPC that failed to one over HTTP; the path is written by then.
    ...block('location @http', [
      'header_filter_by_lua_block { require("gateway").resized() }',
      'body_filter_by_lua_block { require("gateway").chunk() }',
      'proxy_pass http://engine;',
    ]),
    ...block('location @grpc_whole', [
      // A subrequest does not see that the caller left.
      'lua_check_client_abort on;',
      'body_filter_by_lua_block { require("gateway").chunk() }',
      'content_by_lua_block { require("gateway").grpc_whole() }',
    ]),
  ];
};
