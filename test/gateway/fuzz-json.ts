/** Bodies that are JSON, nearly, or not at all. */
import type { Dice } from './dice.js';

/** A chat; what it says and what stands behind it are put in as they are. */
export const bodyOf = (content = 'hi', more = ''): string =>
  `{"model":"m","messages":[{"role":"user","content":"${content}"}]${more}}`;

const numbers = [
  '1e999',
  '-1e999',
  '-0',
  '0.1e-999',
  '1e308',
  '123456789012345678901234567890',
  '1E+2',
  '01',
  '+1',
  '.5',
  '1.',
  'NaN',
  '-',
  '0x10',
  '2147483648',
  '9007199254740993',
];
const strings = [
  '"\\ud800"',
  '"\\u0000"',
  '"\\x"',
  '"\\u12"',
  '"\xff\xfe"',
  '"\xc0\xaf"',
  '"\xed\xa0\x80"',
  `"${'a'.repeat(3000)}"`,
  '"',
  '"\n"',
  '"\\"',
  '""',
  '"\xf4\x90\x80\x80"',
];
const others = [
  'null',
  'true',
  '[]',
  '{}',
  '[[]]',
  '{"a":1,"a":2}',
  '[1,]',
  '{,}',
  '//',
  '/**/1',
  'undefined',
  "'a'",
  '',
  '\xef\xbb\xbf1',
];
const names = [
  'model',
  'messages',
  'stream',
  'temperature',
  'top_p',
  'max_tokens',
  'n',
  'stop',
  'seed',
  'stream_options',
  'tools',
  'logit_bias',
  'thinking',
  'reasoning_effort',
  'response_format',
  'user',
  'chat_template_kwargs',
  'prompt',
  'input',
  '__proto__',
  '',
  '\\u006dodel',
  'x'.repeat(300),
];

function deep(d: Dice): string {
  const n = d.pick([1, 10, 100, 1000, 20_000]);
  const [open, close] = d.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"b":', '}]'],
  ] as const);
  return open.repeat(n) + d.pick(['1', '', '"']) + (d.chance(0.7) ? close.repeat(n) : '');
}

const value = (d: Dice): string =>
  d.pick([() => d.pick(numbers), () => d.pick(strings), () => d.pick(others), () => deep(d)])();

/** Latin-1: each character is a byte. */
export function oddBody(d: Dice): string {
  const whole = bodyOf('hi', Array.from({ length: d.below(4) }, () => `,"${d.pick(names)}":${value(d)}`).join(''));
  return d.pick([
    () => whole,
    () => whole.slice(0, d.below(whole.length)),
    () => value(d),
    () => `{"model":${value(d)},"messages":${value(d)}}`,
    () => `{"model":"m","messages":[{"role":${value(d)},"content":${value(d)}}]}`,
    () => `{${Array.from({ length: 2000 }, (_, i) => `"k${i}":${i}`).join(',')}}`,
    () => `${d.pick(['\xef\xbb\xbf', ' \t\r\n', '\0', 'x'])}${whole}${d.pick(['', ' ', '{}', '\0'])}`,
  ])();
}
