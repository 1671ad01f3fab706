/** The lines of a log that tell why its process ended. */

const noise = /^\s*(at\s|\^+\s*$|Node\.js v\d|\{$|\}$)|^\s*$/;
const loud =
  /error|fatal|emerg|\bcrit|panic|exception|fail|cannot|can't|could not|denied|refused|in use|not found|no such|killed|abort|out of memory|segmentation|unknown/i;
const escapes = /\u001b\[[0-9;?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f]/g;

const longest = 300;
const most = 3;

/** At most three, in their order: those that sound like trouble, or else simply the last ones. */
export function tellingLines(text: string): string[] {
  const lines = text
    .split('\n')
    .map((line) => line.replace(escapes, '').trimEnd())
    .filter((line) => !noise.test(line))
    .map((line) => (line.length > longest ? `${line.slice(0, longest)}…` : line));
  const trouble = lines.filter((line) => loud.test(line));
  return (trouble.length > 0 ? trouble : lines).slice(-most);
}
