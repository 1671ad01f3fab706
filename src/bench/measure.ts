/** Warm-up, then the measurement: the same requests, in one run of numbers. */
import { UserError } from '../errors.js';
import { say } from '../say.js';
import type { World } from '../world.js';
import { type LoadPlan, load } from './load.js';
import { closed } from './pace.js';
import { bodiesOf } from './prompt.js';
import type { EndLine, Failure, Sample, Settings } from './record.js';

export interface Measurement {
  readonly settings: Settings;
  readonly headers: Readonly<Record<string, string>>;
  /** The text of --prompt. */
  readonly text?: string | undefined;
  readonly onSample: (sample: Sample) => void;
}

const giveUpAfter = (concurrency: number): number => Math.max(20, 2 * concurrency);

function planOf({ settings, headers, text }: Measurement, world: World): Omit<LoadPlan, 'pacer'> {
  const { url, model, maxTokens, ignoreEos, seed, promptTokens = 0, cacheable, timeoutMs } = settings;
  const nonce = cacheable ? undefined : Buffer.from(world.random(4)).toString('hex');
  return {
    url: `${url}/chat/completions`,
    headers: { 'content-type': 'application/json', ...headers },
    body: bodiesOf({ model, maxTokens, ignoreEos, seed, tokens: promptTokens, text, nonce }),
    timeoutMs,
    epoch: world.clock.monotonic(),
  };
}

const nothingWorks = ({ cause, detail }: Failure): UserError =>
  new UserError(
    'bench.nothing_works',
    say(`Every warm-up request failed: ${cause} (${detail}).`, `所有预热请求都失败了：${cause}（${detail}）。`),
    {
      hint: say('Check the endpoint first: deepseek-deploy smoke', '请先检查接口：deepseek-deploy smoke'),
      exit: 'problem',
    },
  );

/** @throws UserError `bench.nothing_works` when every warm-up failed */
export async function measure(measurement: Measurement, world: World): Promise<EndLine> {
  const { settings, onSample } = measurement;
  const plan = planOf(measurement, world);
  const { concurrency } = settings.load;
  const ends = { concurrency, giveUpAfter: giveUpAfter(concurrency) };
  if (settings.warmup > 0) {
    const failures: Failure[] = [];
    let count = 0;
    const onWarm = (sample: Sample): void => {
      count += 1;
      if (sample.failure) failures.push(sample.failure);
      onSample(sample);
    };
    const pacer = closed({ ...ends, requests: settings.warmup });
    const warmed = await load(world, { ...plan, pacer, warm: true }, onWarm, world.stop);
    if (failures.length === count && failures[0]) throw nothingWorks(failures[0]);
    if (warmed.why === 'interrupted') return warmed;
  }
  const { requests, durationMs } = settings;
  const pacer = closed({
    ...ends,
    ...(requests === undefined ? {} : { requests }),
    ...(durationMs === undefined ? {} : { durationMs }),
  });
  return load(world, { ...plan, pacer, first: settings.warmup }, onSample, world.stop);
}
