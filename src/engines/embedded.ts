/** The embedded engine as the targets see it: its configuration file, its command, where to ask it. */
import { bracketed } from '../address.js';
import type { Command } from '../command.js';
import type { Places } from '../world.js';

/** What the engine's process is told in its configuration file. */
export interface EngineConfig {
  readonly host: string;
  /** 0 takes any free port; the log line `listening` says which. */
  readonly port: number;
  /** Folder that holds the installed llama.cpp binding. */
  readonly runtime: string;
  readonly model: { readonly id: string; readonly file: string };
  /** A file with one key; then everything but /health and /metrics needs it as bearer token. */
  readonly keyFile?: string;
  readonly threads: number | 'auto';
  /** How many requests are computed at once. */
  readonly sequences: number;
  /** Tokens of prompt and answer together, for each sequence. */
  readonly contextSize: number;
  /** How many requests may wait for a sequence. */
  readonly queue: number;
  readonly grpcPort?: number;
  /** Random weights: the log says so. */
  readonly demo?: boolean;
  /** How long running answers may go on after SIGTERM. */
  readonly drainSeconds: number;
}

/** The content of the configuration file; `engineCommand` takes its path. Holds no secret: the key is in a file of its own. */
export const engineConfig = (config: EngineConfig): string => `${JSON.stringify(config, undefined, 2)}\n`;

/**
 * The server's process. It listens at once and answers /health with 503 until the model has spoken; it ends with 0 on
 * SIGTERM once running answers are done (`drainSeconds` at most), with 1 when it cannot serve, having said why on
 * standard error. Standard error carries one JSON line per event.
 */
export const engineCommand = (places: Places, configFile: string): Command => ({
  argv: [places.node, `${places.package}/dist/engine.js`, '--config', configFile],
});

interface Address {
  readonly host: string;
  readonly port: number;
}

export const engineUrl = ({ host, port }: Address): string => `http://${bracketed(host)}:${port}`;

/** Answers 200 only while the model answers; 503 with the reason else. */
export const engineReadyUrl = (address: Address): string => `${engineUrl(address)}/health`;

/** vLLM's names, so that one dashboard serves all engines. */
export const engineMetrics = {
  running: 'vllm:num_requests_running',
  waiting: 'vllm:num_requests_waiting',
  cacheUsage: 'vllm:kv_cache_usage_perc',
  promptTokens: 'vllm:prompt_tokens_total',
  generationTokens: 'vllm:generation_tokens_total',
  success: 'vllm:request_success_total',
  firstToken: 'vllm:time_to_first_token_seconds',
  interToken: 'vllm:inter_token_latency_seconds',
  perOutputToken: 'vllm:request_time_per_output_token_seconds',
  endToEnd: 'vllm:e2e_request_latency_seconds',
  queueTime: 'vllm:request_queue_time_seconds',
  prefillTime: 'vllm:request_prefill_time_seconds',
  decodeTime: 'vllm:request_decode_time_seconds',
  prefixQueries: 'vllm:prefix_cache_queries_total',
  prefixHits: 'vllm:prefix_cache_hits_total',
} as const;
