/** From what was typed to the settings of a run. */
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { Option, Value } from '../verb.js';
import type { Settings, Slo } from './record.js';

const defaults = { concurrency: 4, maxTokens: 64, promptTokens: 128, timeout: 300, seed: 1 } as const;
/** Without --requests or --duration: so many for each in flight. */
const rounds = 8;

export const loadOptions: readonly Option[] = [
  {
    flags: '-c, --concurrency <n>',
    says: say('Requests in flight at any time', '任何时刻的并发请求数'),
    kind: 'integer',
    min: 1,
    max: 100_000,
    initial: defaults.concurrency,
  },
  {
    flags: '-n, --requests <n>',
    says: say(`How many requests; by default ${rounds} times the concurrency`, `请求总数，默认为并发的 ${rounds} 倍`),
    kind: 'integer',
    min: 1,
  },
  {
    flags: '-d, --duration <seconds>',
    says: say(
      'Send for so long instead; what is in flight then runs to its end',
      '按时长发送；到时后等待进行中的请求结束',
    ),
    kind: 'number',
    min: 0.1,
  },
  {
    flags: '--warmup <n>',
    says: say('Requests before the measurement; by default as many as in flight', '测量前的预热请求数，默认等于并发数'),
    kind: 'integer',
    min: 0,
  },
  {
    flags: '--timeout <seconds>',
    says: say('For one whole answer', '单个完整回答的超时'),
    kind: 'number',
    min: 0.1,
    initial: defaults.timeout,
  },
];

export const askOptions: readonly Option[] = [
  {
    flags: '--max-tokens <n>',
    says: say('The longest answer', '回答的最大 token 数'),
    kind: 'integer',
    min: 1,
    initial: defaults.maxTokens,
  },
  {
    flags: '--prompt-tokens <n>',
    says: say('About how long the made-up prompt is', '自动生成提示的大致 token 数'),
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    initial: defaults.promptTokens,
  },
  { flags: '--prompt <file>', says: say('Ask the text of a file instead', '使用文件中的文本作为提示') },
  { flags: '--cacheable', says: say('Same prompt each time: caches may answer', '每次使用相同提示：允许缓存命中') },
  {
    flags: '--ignore-eos',
    says: say('Ask vLLM or SGLang for answers of full length', '要求 vLLM 或 SGLang 输出到最大长度'),
  },
  {
    flags: '--seed <n>',
    says: say('For the words of the prompt', '生成提示文本的随机种子'),
    kind: 'integer',
    initial: defaults.seed,
  },
  {
    flags: '--slo <metric=ms>',
    says: say(
      'A service level, for goodput: ttft=500, tpot=50, e2e=3000',
      '服务级别，用于计算有效吞吐：ttft=500、tpot=50、e2e=3000',
    ),
    kind: 'list',
  },
];

/** @throws UserError `bench.slo` */
export function sloOf(words: readonly string[]): Slo[] {
  return words
    .flatMap((word) => word.split(','))
    .map((word) => {
      const [, metric, ms] = /^\s*(ttft|tpot|e2e)\s*<?=\s*(\d+(?:\.\d+)?)\s*(?:ms)?\s*$/.exec(word) ?? [];
      if (metric) return { metric: metric as Slo['metric'], ms: Number(ms) };
      throw new UserError('bench.slo', say(`"${word}" is no service level.`, `“${word}” 不是有效的服务级别。`), {
        hint: say('In milliseconds: --slo ttft=500 --slo tpot=50', '以毫秒为单位：--slo ttft=500 --slo tpot=50'),
        exit: 'usage',
      });
    });
}

interface Given {
  readonly concurrency?: number;
  readonly requests?: number;
  readonly duration?: number;
  readonly warmup?: number;
  readonly timeout?: number;
  readonly maxTokens?: number;
  readonly promptTokens?: number;
  readonly prompt?: string;
  readonly cacheable?: boolean;
  readonly ignoreEos?: boolean;
  readonly seed?: number;
  readonly slo?: readonly string[];
}

/** @throws UserError `bench.slo` */
export function settingsOf(options: Readonly<Record<string, Value>>): Omit<Settings, 'url' | 'model'> {
  const given = options as Given;
  const concurrency = given.concurrency ?? defaults.concurrency;
  const requests = given.requests ?? (given.duration === undefined ? concurrency * rounds : undefined);
  return {
    load: { kind: 'closed', concurrency },
    ...(requests === undefined ? {} : { requests }),
    ...(given.duration === undefined ? {} : { durationMs: given.duration * 1000 }),
    warmup: given.warmup ?? concurrency,
    maxTokens: given.maxTokens ?? defaults.maxTokens,
    ...(given.prompt === undefined ? { promptTokens: given.promptTokens ?? defaults.promptTokens } : {}),
    timeoutMs: (given.timeout ?? defaults.timeout) * 1000,
    seed: given.seed ?? defaults.seed,
    cacheable: given.cacheable === true,
    ignoreEos: given.ignoreEos === true,
    slo: sloOf(given.slo ?? []),
  };
}
