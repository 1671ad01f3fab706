/**
 * The one renderer of nginx.conf. Everything that changes while the gateway runs is in settings.json and read by Lua;
 * what is here needs a reload. Every directive whose default differs between nginx 1.22 and 1.31 is written out, so
 * that both dialects behave alike.
 */

import { bracketed } from '../address.js';
import { type CloudWay, cloudUpstream, overTls } from './nginx-cloud.js';
import { type EngineOptions, grpc, overGrpc, passed, proxy, upstream } from './nginx-engine.js';
import { block, quoted } from './nginx-words.js';
import type { TlsFiles } from './tls.js';

/** What was found on the machine; see probe.ts. */
export interface NginxBuild {
  /** How to start it: the binary, or a loader and its arguments before the binary. */
  readonly command: readonly [string, ...string[]];
  readonly version: readonly [number, number, number];
  /** Shared objects for load_module, in order; none where the Lua module is built in. */
  readonly modules: readonly string[];
  /** More folders for Lua's `require`, as patterns: '/x/lua/?.lua'. */
  readonly luaPath?: readonly string[];
  readonly luaCPath?: readonly string[];
}

export interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface NginxOptions extends EngineOptions, CloudWay {
  readonly build: Pick<NginxBuild, 'version' | 'modules' | 'luaPath' | 'luaCPath'>;
  readonly listen: Listen;
  /** On loopback only, except in a pod whose network policy keeps it inside. */
  readonly admin: Listen;
  /** Absolute paths; absent: HTTP, on loopback only. */
  readonly tls?: TlsFiles;
  readonly workers: number;
  /** Set when the master is root. */
  readonly workerUser?: { readonly user: string; readonly group: string };
  /** Bytes of a request body. Bodies are kept in memory. Default 4 MiB. */
  readonly maxBody?: number;
  /** Shared memory for cached answers, in MiB. Default 64. */
  readonly cacheMiB?: number;
  /** The CA file that Redis' certificate is checked against. */
  readonly trustedCa?: string;
  /** Open connections a worker, callers and engines together. Default 16384. */
  readonly connections?: number;
}

const defaultConnections = 16_384;

interface Route {
  readonly name: string;
  readonly location: string;
  /** The engine's path; none when the gateway answers itself. */
  readonly engine?: string;
  /** The answer's body is changed on its way. */
  readonly resized?: boolean;
  /** Bytes, where it is less than for all. */
  readonly maxBody?: number;
}

export const routes: readonly Route[] = [
  { name: 'chat', location: '= /v1/chat/completions', engine: '/v1/chat/completions' },
  { name: 'completions', location: '= /v1/completions', engine: '/v1/completions' },
  { name: 'embeddings', location: '= /v1/embeddings', engine: '/v1/embeddings' },
  { name: 'generate', location: '= /v1/text/generate', engine: '/v1/completions', resized: true },
  // DeepSeek's base URLs have no /v1; fill-in-the-middle is a text completion with a suffix.
  { name: 'chat', location: '= /chat/completions', engine: '/v1/chat/completions' },
  { name: 'chat', location: '= /beta/chat/completions', engine: '/v1/chat/completions' },
  { name: 'completions', location: '= /beta/completions', engine: '/v1/completions' },
  { name: 'models', location: '= /models' },
  { name: 'models', location: '= /v1/models' },
  { name: 'models', location: '^~ /v1/models/' },
  { name: 'health', location: '= /health' },
  { name: 'openapi', location: '= /openapi.json' },
  { name: 'token', location: '= /oauth2/token', maxBody: 8192 },
];

/** Statuses that nginx raises before or instead of Lua; 494 to 496 are its own for broken headers and TLS. */
const raised = '400 404 405 408 411 413 414 416 431 494 495 496 500 501 505';

export const since = (build: Pick<NginxBuild, 'version'>, ...version: [number, number, number]): boolean => {
  const at = version.findIndex((part, i) => part !== build.version[i]);
  return at < 0 || build.version[at]! > version[at]!;
};

/**
 * On a reload old workers close kept connections that wait, and those whose answer began before: a request on its way
 * along one is lost. From 1.27.4 on they wait this long for it, and answer it with `Connection: close`; before, see
 * core/closing.lua.
 */
const keptOnReload = (options: NginxOptions): string[] =>
  since(options.build, 1, 27, 4) ? ['keepalive_min_timeout 5s;'] : [];

const address = (listen: Listen): string => `${bracketed(listen.host)}:${listen.port}`;

const main = (options: NginxOptions): string[] => [
  ...options.build.modules.map((path) => `load_module ${quoted(path)};`),
  'daemon off;',
  'pid nginx.pid;',
  ...(options.workerUser ? [`user ${options.workerUser.user} ${options.workerUser.group};`] : []),
  `worker_processes ${options.workers};`,
  `worker_rlimit_nofile ${2 * (options.connections ?? defaultConnections) + 1024};`,
  'worker_shutdown_timeout 600s;',
  'error_log stderr warn;',
];

const lua = (options: NginxOptions): string[] => {
  const path = ['$prefix/lua/?.lua', ...(options.build.luaPath ?? []).map((p) => quoted(p).slice(1, -1))];
  const cpath = (options.build.luaCPath ?? []).map((p) => quoted(p).slice(1, -1));
  const user = options.workerUser ? `user = "${options.workerUser.user}", ` : '';
  const cloud = options.cloudCa === undefined ? '' : 'cloud = true, ';
  return [
    `lua_package_path "${path.join(';')};;";`,
    ...(cpath.length ? [`lua_package_cpath "${cpath.join(';')};;";`] : []),
    'lua_shared_dict gateway_settings 16m;',
    'lua_shared_dict gateway_metrics 4m;',
    'lua_shared_dict gateway_loads 1m;',
    'lua_shared_dict gateway_breakers 2m;',
    'lua_shared_dict gateway_names 1m;',
    'lua_shared_dict gateway_redis 1m;',
    'lua_shared_dict gateway_flights 2m;',
    'lua_shared_dict gateway_tokens 64k;',
    'lua_shared_dict gateway_limits 8m;',
    'lua_shared_dict gateway_audit 256k;',
    `lua_shared_dict gateway_cache ${options.cacheMiB ?? 64}m;`,
    ...(options.trustedCa
      ? [`lua_ssl_trusted_certificate ${quoted(options.trustedCa)};`, 'lua_ssl_verify_depth 3;']
      : []),
    // Who opened a socket tells what went wrong with it, once and by name.
    'lua_socket_log_errors off;',
    `init_by_lua_block { require("gateway").init({ ${user}${cloud}connections = ${options.connections ?? defaultConnections} }) }`,
    'init_worker_by_lua_block { require("gateway").work() }',
    'exit_worker_by_lua_block { require("gateway").stop() }',
  ];
};

const http = (options: NginxOptions): string[] => {
  const body = options.maxBody ?? 4 * 1024 * 1024;
  return [
    ...lua(options),
    ...passed(),
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path tmp/${name};`),
    'access_log off;',
    'default_type application/json;',
    'server_tokens off;',
    'gzip off;',
    'tcp_nodelay on;',
    'merge_slashes off;',
    'client_header_timeout 10s;',
    'client_body_timeout 15s;',
    // A token, the headers and a short prompt come in one read.
    'client_header_buffer_size 4k;',
    'large_client_header_buffers 4 16k;',
    'keepalive_timeout 75s;',
    ...keptOnReload(options),
    'keepalive_requests 100000;',
    'reset_timedout_connection on;',
    `client_max_body_size ${body};`,
    `client_body_buffer_size ${body};`,
  ];
};

const location = (route: Route): string[] =>
  block(
    `location ${route.location}`,
    route.engine === undefined
      ? [
          ...(route.maxBody === undefined
            ? []
            : [`client_max_body_size ${route.maxBody};`, `client_body_buffer_size ${route.maxBody};`]),
          `content_by_lua_block { require("gateway").serve("${route.name}") }`,
        ]
      : [
          'set $args "";',
          `access_by_lua_block { require("gateway").access("${route.name}") }`,
          ...(route.resized ? ['header_filter_by_lua_block { require("gateway").resized() }'] : []),
          'body_filter_by_lua_block { require("gateway").chunk() }',
          `proxy_pass http://engine${route.engine};`,
        ],
  );

/** Forward secrecy and AEAD alone. Tickets are off: their key would outlive forward secrecy until the next reload. */
const tls = (files: TlsFiles): string[] => [
  `ssl_certificate ${quoted(files.certificate)};`,
  `ssl_certificate_key ${quoted(files.key)};`,
  'ssl_protocols TLSv1.2 TLSv1.3;',
  'ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;',
  'ssl_prefer_server_ciphers off;',
  'ssl_session_cache shared:gateway_tls:10m;',
  'ssl_session_timeout 1h;',
  'ssl_session_tickets off;',
  // One record a piece of a stream, not one of 16 KiB that waits to be whole.
  'ssl_buffer_size 4k;',
  'add_header Strict-Transport-Security max-age=31536000 always;',
];

/** What core/vars.lua writes for policies/limits.lua; what was not written is not sent. */
export const told = ['requests', 'tokens'].flatMap((of) =>
  [
    ['limit', 'limit'],
    ['left', 'remaining'],
    ['back', 'reset'],
  ].flatMap(([name, header]) => [
    `set $gateway_${of}_${name} "";`,
    `add_header x-ratelimit-${header}-${of} $gateway_${of}_${name} always;`,
  ]),
);

const gateway = (options: NginxOptions): string[] =>
  block('server', [
    `listen ${address(options.listen)} ${options.tls ? 'ssl ' : ''}backlog=4096;`,
    ...(options.tls ? tls(options.tls) : []),
    'server_name _;',
    'set $gateway_id "";',
    'set $gateway_authorization "";',
    'set $gateway_cache "";',
    'set $gateway_deadline "";',
    'set $gateway_degraded "";',
    'set $gateway_cloud_name "";',
    'set $gateway_cloud_host "";',
    'add_header X-Request-Id $gateway_id always;',
    'add_header X-Accel-Buffering no always;',
    'add_header X-Cache $gateway_cache always;',
    'add_header X-Degraded $gateway_degraded always;',
    ...told,
    'log_by_lua_block { require("gateway").log() }',
    // A named location keeps the method, for another try; it cannot be reached by a request whose URI was not readable.
    'error_page 502 503 504 @failed;',
    `error_page ${raised} /refused;`,
    // A request that comes to a second way to be answered may fail there too.
    'recursive_error_pages on;',
    ...proxy(options),
    ...grpc(options),
    ...routes.flatMap(location),
    ...overGrpc(options),
    ...overTls(options),
    ...block('location /', ['return 404;']),
    ...block('location @failed', ['content_by_lua_block { require("gateway").refused() }']),
    ...(options.tls
      ? [
          // Raised for plain HTTP, which nginx calls a 400 by then.
          'error_page 497 /insecure;',
          ...block('location = /insecure', ['internal;', 'content_by_lua_block { require("gateway").refused(497) }']),
        ]
      : []),
    ...block('location = /refused', ['internal;', 'content_by_lua_block { require("gateway").refused() }']),
  ]);

const admin = (options: NginxOptions): string[] =>
  block('server', [
    `listen ${address(options.admin)};`,
    'server_name _;',
    'client_max_body_size 16m;',
    'client_body_buffer_size 16m;',
    ...block('location = /metrics', [
      'allow 127.0.0.0/8;',
      'allow ::1;',
      'deny all;',
      'content_by_lua_block { require("gateway").metrics() }',
    ]),
    ...block('location /', ['content_by_lua_block { require("gateway").admin() }']),
  ]);

/** @throws UserError `gateway.path` for a path that nginx.conf cannot carry. */
export const renderNginx = (options: NginxOptions): string =>
  `${[
    ...main(options),
    ...block('events', [`worker_connections ${options.connections ?? defaultConnections};`]),
    ...block('http', [
      ...http(options),
      ...upstream('engine', options),
      ...upstream('engine_grpc', options),
      ...cloudUpstream(options),
      ...gateway(options),
      ...admin(options),
    ]),
  ].join('\n')}\n`;
