import { say } from '../say.js';
import { boolean, bytes, duration, object, oneOf } from './schema.js';

export const audit = object(
  {
    onError: oneOf(['continue', 'refuse'], {
      says: say(
        'While audit lines cannot be written (a full disk): continue, and count what is missing; or refuse requests with 503.',
        '审计日志无法写入时（如磁盘已满）：continue 继续服务并记录缺失数量；refuse 以 503 拒绝请求。',
      ),
      initial: 'continue',
    }),
    content: boolean({
      says: say(
        'Keep prompts and answers too, sealed with AES-256-GCM.',
        '同时保存提示与回答的内容，以 AES-256-GCM 加密。',
      ),
      initial: false,
    }),
    contentBytes: bytes({
      says: say(
        'Of each prompt, and of each answer as it is sent, at most.',
        '每条提示、每条回答（按发送内容计）保存的上限。',
      ),
      min: 1024,
      max: 4 * 1024 * 1024,
      initial: '256KiB',
    }),
    streamTokens: boolean({
      says: say(
        'Ask engines for the tokens of every stream; callers see them only when they ask themselves.',
        '向引擎询问每个流式应答的 token 数；调用方仅在自己要求时才会看到。',
      ),
      initial: true,
    }),
    rotateBytes: bytes({
      says: say('A file of the log is closed and sealed at this size.', '日志文件达到此大小即关闭并加密。'),
      min: 64 * 1024,
      max: 1024 * 1024 * 1024,
      initial: '64MiB',
    }),
    rotateAfter: duration({
      says: say('And at this age.', '或达到此时长即关闭并加密。'),
      min: 60_000,
      max: 30 * 86_400_000,
      initial: '1d',
    }),
  },
  {
    says: say(
      'The audit log: a line for each request, kept for 180 days at the least.',
      '审计日志：每个请求一行，至少保留 180 天。',
    ),
  },
);
