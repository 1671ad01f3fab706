/** Columns that a terminal shows a string in: East Asian wide and emoji count two, combining marks none. */
export function columns(text: string): number {
  let width = 0;
  for (const character of stripAnsi(text)) width += wide.test(character) ? 2 : mark.test(character) ? 0 : 1;
  return width;
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const mark = /\p{Mn}|\p{Me}|\u200b|\u200c|\u200d|\ufe0f/u;

export const stripAnsi = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, '');

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - columns(text)));
export const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - columns(text))) + text;

// A word, or one Chinese character, with the marks that are not parted from it.
const pieces = /\s*[（“《]*(?:\p{Script=Han}|[^\s\p{Script=Han}（“《，。；：、？！）”》]+)?[，。；：、？！）”》]*/gu;

/** Broken at spaces and between Chinese characters into lines of at most so many columns, where a word is no longer. */
export function wrap(text: string, width: number): string {
  const lines = [''];
  for (const piece of text.match(pieces) ?? []) {
    const longer = lines.at(-1) + piece;
    if (columns(longer) <= width || lines.at(-1) === '') lines[lines.length - 1] = longer;
    else lines.push(piece.trimStart());
  }
  return lines.join('\n');
}

export interface Column {
  readonly align?: 'left' | 'right';
}

/** Aligned lines, two spaces between the columns, nothing behind the last. */
export function table(rows: readonly (readonly string[])[], shape: readonly Column[] = [], indent = ''): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, columns(cell));
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => {
        if (shape[at]?.align === 'right') return padStart(cell, widths[at]!);
        return at === row.length - 1 ? cell : padEnd(cell, widths[at]!);
      })
      .join('  ');
  return rows.map((row) => (indent + line(row)).trimEnd());
}
