/** A file that holds all an install needs, in place of the network. */
import { say } from '../say.js';
import { type Infer, object, path, string } from './schema.js';

export const bundle = object(
  {
    file: path({
      says: say(
        'What `bundle create` wrote; then nothing is fetched.',
        '`bundle create` 生成的文件；使用后不再访问网络。',
      ),
      example: './deepseek-debian12.bundle',
    }),
    key: string({
      says: say(
        'The key that must have signed it, as `bundle create` prints it.',
        '要求的签名密钥，即 `bundle create` 打印的密钥。',
      ),
      pattern: {
        regexp: '^[A-Za-z0-9+/]{43}=$',
        means: say('a key of 44 characters, as bundle create prints it', 'bundle create 打印的 44 个字符的密钥'),
      },
      max: 44,
      example: 'UNhY4JhezH9gQYqvDMWrWH9CwlcKiECVqejMrND2VFw=',
    }),
  },
  { says: say('Install without a network.', '无网络安装。') },
);

export type BundleSettings = Infer<typeof bundle>;
