import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import type { Problem } from './tree.js';

/** As many as a person will read; a wholly different file has thousands. */
const mostShown = 50;

const order = ({ where }: Problem): number => ('line' in where ? where.line * 1e6 + where.column : 0);

/** All problems as one error, in the order of the file. */
export function invalid(problems: readonly Problem[]): UserError {
  const sorted = [...problems].sort((a, b) => order(a) - order(b));
  const more = sorted.length - mostShown;
  const details = sorted.slice(0, mostShown).map(line);
  return new UserError(
    'config.invalid',
    problems.length === 1
      ? say('There is a problem in the configuration.', '配置中有一个问题。')
      : say(`There are ${problems.length} problems in the configuration.`, `配置中有 ${problems.length} 个问题。`),
    {
      exit: 'usage',
      details: more > 0 ? [...details, say(`and ${more} more`, `另有 ${more} 个问题`)] : details,
    },
  );
}

function line({ path, where, text }: Problem): Text {
  const place = 'flag' in where ? where.flag : `${where.file}:${where.line}:${where.column}`;
  const subject = 'flag' in where ? '' : path;
  const start = [place, subject].filter(Boolean).join(' ');
  return say(`${start}: ${text.en}`, `${start}：${text.zh}`);
}
