/** What terminals, mail, Markdown and Windows do to a piece of output before it reaches us, undone. */

const ansi =
  /(?:\u001b|\^\[)\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\n]*\u0007|(?<![\w\]])\[\d{1,2}(?:;\d{1,2})*m|(?<=\S)\[0m/g;
const fence = /^\s*(?:```|~~~)[\w+-]*\s*$/;
const quoted = /^\s*>/;

/** Lines without line ends, colours, fences, quotation marks and trailing blanks; tabs and inner indentation stay. */
export function pasted(text: string): string[] {
  const lines = text
    .replace(/^\ufeff/, '')
    .replace(/\r\n?|\u2028|\u2029/g, '\n')
    .replace(ansi, '')
    .replace(/\u00a0|\u3000/g, ' ')
    .split('\n')
    .map((line) => (fence.test(line) ? '' : line.replace(/[ \t]+$/, trailing)));
  const filled = lines.filter((line) => line.trim() !== '');
  return filled.length > 0 && filled.every((line) => quoted.test(line))
    ? lines.map((line) => line.replace(/^\s*> ?/, ''))
    : lines;
}

/** Trailing tabs are empty cells of a matrix. */
const trailing = (blanks: string): string => blanks.replaceAll(' ', '');

/** Bytes as text: UTF-8, or the UTF-16 that PowerShell's `>` writes. Undefined for what is no text. */
export function decoded(bytes: Uint8Array): string | undefined {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  const sample = bytes.subarray(0, 4096);
  const zeros = sample.filter((byte) => byte === 0).length;
  if (zeros === 0) return new TextDecoder().decode(bytes);
  const odd = sample.filter((byte, at) => at % 2 === 1 && byte === 0).length;
  // Half of the bytes of ASCII in UTF-16 are zeros, all in one place.
  if (odd === zeros && odd >= sample.length / 3) return new TextDecoder('utf-16le').decode(bytes);
  return undefined;
}
