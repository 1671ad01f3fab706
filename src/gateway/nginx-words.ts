/** How nginx.conf is written. */
import { UserError } from '../errors.js';
import { say } from '../say.js';

const indent = (lines: readonly string[]): string[] => lines.map((line) => (line === '' ? line : `  ${line}`));
export const block = (head: string, lines: readonly string[]): string[] => [`${head} {`, ...indent(lines), '}'];

/** @throws UserError `gateway.path` for a path that nginx.conf cannot carry. */
export const quoted = (value: string): string => {
  if (/["\\\n$;]/.test(value)) {
    throw new UserError(
      'gateway.path',
      say(`nginx cannot take this path: ${value}`, `nginx 无法使用这个路径：${value}`),
      {
        hint: say('Choose a path without quotes, backslashes, $ and ;', '请改用不含引号、反斜杠、$ 和 ; 的路径'),
        exit: 'unready',
      },
    );
  }
  return `"${value}"`;
};
