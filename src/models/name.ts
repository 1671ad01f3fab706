/** What callers write as the model. */
import { basename } from 'node:path';

/** What is served when nothing is said: small, and it answers sensibly. */
export const usualModel = 'deepseek-r1-distill-qwen-1.5b';

/** 'My Model.Q4.gguf' becomes my-model.q4. */
export const idOfFile = (path: string): string =>
  basename(path)
    .replace(/\.gguf$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '') || 'model';

/** @param model what the configuration says */
export const nameOf = ({
  id,
  file,
}: {
  readonly id?: string | undefined;
  readonly file?: string | undefined;
}): string => (file === undefined ? (id ?? usualModel) : idOfFile(file));
