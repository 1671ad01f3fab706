/** What is wrong with a model file, in words, each with what to do. */
import { UserError } from '../errors.js';
import { say, type Text } from '../say.js';

export const bad = (id: string, what: Text, hint?: Text): UserError =>
  new UserError(id, what, { exit: 'usage', ...(hint ? { hint } : {}) });

export const damaged = (): UserError =>
  bad(
    'gguf.damaged',
    say('The header of the GGUF file is damaged.', 'GGUF 文件头已损坏。'),
    say('Download it again.', '请重新下载。'),
  );

export const cutShort = (size: number, need?: number): UserError =>
  bad(
    'gguf.truncated',
    need === undefined
      ? say(
          `The GGUF file ends within its header, after ${size} bytes.`,
          `GGUF 文件不完整：在文件头内即告结束（${size} 字节）。`,
        )
      : say(
          `The GGUF file is cut short: it has ${size} of ${need} bytes.`,
          `GGUF 文件不完整：仅有 ${size} / ${need} 字节。`,
        ),
    say('The download was not finished; get the file again.', '下载未完成；请重新获取该文件。'),
  );

export const splitFile = (count: number): UserError =>
  bad(
    'gguf.split',
    say(`This is one of ${count} parts of a GGUF file.`, `这是一个 GGUF 文件的 ${count} 个分片之一。`),
    say(
      'Join them: llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf',
      '请先合并：llama-gguf-split --merge 首个分片.gguf 合并后.gguf',
    ),
  );

/** What is saved as .gguf by mistake, told apart by its first bytes. */
export function recognise(head: Uint8Array): void {
  const start = new TextDecoder('latin1').decode(head.subarray(0, 256));
  if (start.startsWith('GGUF')) return;
  if (start.startsWith('version https://git-lfs'))
    throw bad(
      'gguf.lfs-pointer',
      say('This is a Git LFS pointer, not the file itself.', '这是 Git LFS 指针，而不是文件本身。'),
      say('Get the file: git lfs pull', '请获取实际文件：git lfs pull'),
    );
  if (/^\s*<(!doctype|html|\?xml)/i.test(start))
    throw bad(
      'gguf.page',
      say('This is a web page that was saved in place of the file.', '这是误存为模型文件的网页。'),
      say('Download it by its /resolve/ address, not by /blob/.', '请用含 /resolve/ 的地址下载，而不是 /blob/。'),
    );
  if (/^(ggml|ggjt|ggmf|ggla|lmgg|tjgg|fmgg|algg)/.test(start))
    throw bad(
      'gguf.old',
      say('This is a model file of the time before GGUF.', '这是 GGUF 之前的旧格式模型文件。'),
      say('Convert it with llama.cpp, or get a GGUF file.', '请用 llama.cpp 转换，或改用 GGUF 文件。'),
    );
  throw bad(
    'gguf.not',
    say('This is not a GGUF file.', '这不是 GGUF 文件。'),
    say('llama.cpp serves GGUF files only (FILE.gguf).', 'llama.cpp 仅支持 GGUF 文件（FILE.gguf）。'),
  );
}
