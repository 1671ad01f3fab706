/** What gathers up for a bundle: files with where they come from, and how far it is. */
import { createHash } from 'node:crypto';
import { type Progress, progressText } from '../models/progress.js';
import { say, type Text } from '../say.js';
import type { BundleFile } from './manifest.js';
import type { Content } from './write.js';

export type Note = (text: Text) => void;

export const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

export class Contents {
  readonly files: BundleFile[] = [];
  readonly contents = new Map<string, Content>();

  text(path: string, text: string): void {
    this.#add({ path, bytes: Buffer.byteLength(text), sha256: sha256(text) }, { text });
  }

  file(path: string, from: string, bytes: number, hash: string): void {
    this.#add({ path, bytes, sha256: hash }, { from });
  }

  #add(file: BundleFile, content: Content): void {
    if (this.contents.has(file.path)) return;
    this.files.push(file);
    this.contents.set(file.path, content);
  }
}

export const noteOf =
  (note: Note, what: string) =>
  (progress: Progress): void => {
    const { en, zh } = progressText(progress);
    note(say(`${what}: ${en}`, `${what}：${zh}`));
  };
