/** What can go wrong with a download, in words, each with what to do. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';
import { bytesText } from './progress.js';

const elsewhere = say(
  'Take it from elsewhere: --hub modelscope, or --hub ADDRESS of a mirror; or bring the file: --model-file FILE.gguf',
  '换个来源：--hub modelscope，或用 --hub 指定镜像地址；也可自备文件：--model-file FILE.gguf',
);

const token = say(
  'Accept the terms on the page of the model, then: export HF_TOKEN=hf_… and run the same command again. Or take it from elsewhere: --hub modelscope',
  '请先在模型页面接受条款，然后执行：export HF_TOKEN=hf_…，再运行同一命令；或换个来源：--hub modelscope',
);

const failure = (id: string, text: Text, hint: Text = elsewhere, cause?: unknown): UserError =>
  new UserError(id, text, { hint, exit: 'network', ...(cause === undefined ? {} : { cause }) });

/** For an answer that asking again would not change. */
export function refused(status: number, url: string): UserError {
  if (status === 401 || status === 403)
    return failure(
      'download.denied',
      say(`Access to ${url} was denied (${status}).`, `无权访问 ${url}（${status}）。`),
      token,
    );
  if (status === 404 || status === 410)
    return failure('download.absent', say(`${url} is not there (${status}).`, `${url} 不存在（${status}）。`));
  return failure('download.refused', say(`${url} answered ${status}.`, `${url} 返回 ${status}。`));
}

export const badRedirect = (url: string, to: string | undefined): UserError =>
  failure(
    'download.redirect',
    say(`${url} leads to ${to ?? 'nowhere'}, which is not followed.`, `${url} 重定向到 ${to ?? '空地址'}，不予跟随。`),
  );

export const notAFile = (url: string): UserError =>
  failure(
    'download.page',
    say(`${url} answered with a web page instead of the file.`, `${url} 返回的是网页而不是文件。`),
    say(
      'Is there a login page or a proxy in between? Set https_proxy, or take another --hub.',
      '中间是否有登录页或代理？请设置 https_proxy，或更换 --hub。',
    ),
  );

export const anotherSize = (url: string, expected: number, found: number): UserError =>
  failure(
    'download.size',
    say(
      `${url} has ${found} bytes; the catalogue says ${expected}.`,
      `${url} 大小为 ${found} 字节，而目录记录为 ${expected} 字节。`,
    ),
  );

export const wrongHash = (url: string, expected: string, found: string): UserError =>
  failure(
    'download.hash',
    say(
      `What came from ${url} is damaged or not the file of the catalogue (SHA-256 ${found}, not ${expected}); it was deleted.`,
      `从 ${url} 下载的内容已损坏，或并非目录所列文件（SHA-256 为 ${found}，应为 ${expected}）；已删除。`,
    ),
    say(
      'Run the same command again; if it stays so, take another --hub.',
      '请重新运行同一命令；若仍如此，请更换 --hub。',
    ),
  );

export const gaveUp = (url: string, cause: Error): UserError =>
  failure(
    'download.broken',
    say(`The download of ${url} broke off: ${cause.message}`, `${url} 下载中断：${cause.message}`),
    say(
      `The same command carries on where it stopped. Behind a proxy: export https_proxy=http://HOST:PORT. ${elsewhere.en}`,
      `再次运行同一命令即可续传。若使用代理：export https_proxy=http://HOST:PORT。${elsewhere.zh}`,
    ),
    cause,
  );

export const diskFull = (path: string, need: number, free?: number, cause?: unknown): UserError =>
  new UserError(
    'disk.full',
    free === undefined
      ? say(`The disk is full: ${path}`, `磁盘已满：${path}`)
      : say(
          `${path} needs ${bytesText(need)} more, and the disk has ${bytesText(free)} left.`,
          `${path} 还需 ${bytesText(need)}，而磁盘仅剩 ${bytesText(free)}。`,
        ),
    {
      hint: say(
        'Make room, or put the cache on another disk: export XDG_CACHE_HOME=/PATH',
        '请清理磁盘，或将缓存放到其他磁盘：export XDG_CACHE_HOME=/PATH',
      ),
      exit: 'unready',
      ...(cause === undefined ? {} : { cause }),
    },
  );

export const stopped = (): UserError =>
  new UserError('interrupted', say('The download was stopped.', '下载已停止。'), {
    hint: say('The same command carries on where it stopped.', '再次运行同一命令即可续传。'),
    exit: 'interrupted',
  });
