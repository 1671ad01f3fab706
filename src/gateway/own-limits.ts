/** Limits of one key or client as people write them: 'rpm=60,tpm=10k'. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { LimitBounds, OwnLimits } from './limits.js';

type Bound = keyof LimitBounds;

/** In the order in which they are shown. */
const bounds: Readonly<Record<string, Bound>> = {
  rpm: 'requestsPerMinute',
  tpm: 'tokensPerMinute',
  daily: 'tokensPerDay',
  concurrent: 'concurrent',
};

const units: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1_000_000 };

const wrong = (text: Text): UserError =>
  new UserError('limits.words', text, {
    hint: say(
      'For example: rpm=60,tpm=10k,daily=1m,concurrent=4; none lifts a limit, default takes that of every key',
      '例如：rpm=60,tpm=10k,daily=1m,concurrent=4；none 表示不限，default 表示与所有密钥相同',
    ),
    exit: 'usage',
  });

function amount(name: string, word: string): number | 'none' | 'default' {
  if (word === 'none' || word === 'default') return word;
  const [, digits, unit] = /^(\d{1,12})([km]?)$/i.exec(word) ?? [];
  const value = Number(digits) * units[unit?.toLowerCase() ?? '']!;
  if (value >= 1) return value;
  throw wrong(
    say(
      `${name}=${word}: a number from 1, none or default is needed.`,
      `${name}=${word}：须为不小于 1 的数字、none 或 default。`,
    ),
  );
}

/**
 * What was there with what is written over it; 'default' alone takes all of it away.
 * @param words each 'rpm=60' or several with commas between
 * @returns undefined: nothing of its own
 * @throws UserError `limits.words`
 */
export function ownLimits(words: readonly string[], before: OwnLimits = {}): OwnLimits | undefined {
  const parts = words.flatMap((word) => word.split(',')).map((part) => part.trim());
  const all: Partial<Record<Bound, number | 'none'>> = parts.includes('default') ? {} : { ...before };
  for (const part of parts.filter((each) => each !== 'default')) {
    const [, name = '', word = ''] = /^([a-z]+)=(\S+)$/.exec(part) ?? [];
    const bound = Object.hasOwn(bounds, name) ? bounds[name] : undefined;
    if (!bound)
      throw wrong(
        say(
          `'${part}' is no limit; there are ${Object.keys(bounds).join(', ')}.`,
          `“${part}”不是限额；可用 ${Object.keys(bounds).join('、')}。`,
        ),
      );
    const limit = amount(name, word);
    if (limit === 'default') delete all[bound];
    else all[bound] = limit;
  }
  return Object.keys(all).length > 0 ? all : undefined;
}

const short = (limit: number | 'none'): string => {
  if (limit === 'none') return limit;
  const unit = ['m', 'k'].find((one) => limit % units[one]! === 0);
  return unit ? `${limit / units[unit]!}${unit}` : `${limit}`;
};

/** 'rpm=60,tpm=10k'; '-' for nothing of its own. */
export const limitWords = (own: OwnLimits | null | undefined): string =>
  Object.entries(bounds)
    .flatMap(([name, bound]) => (own?.[bound] === undefined ? [] : [`${name}=${short(own[bound])}`]))
    .join(',') || '-';
