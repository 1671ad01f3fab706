import { say, type Text } from '../say.js';

export interface Progress {
  readonly phase: 'fetch' | 'verify';
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Over the last seconds; 0 until it is known. */
  readonly bytesPerSecond: number;
  readonly secondsLeft?: number;
}

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** '1.12 GB', in powers of ten as the hubs write sizes. */
export function bytesText(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const amount = bytes / 1000 ** power;
  const digits = power === 0 || amount >= 100 ? 0 : amount >= 10 ? 1 : 2;
  return `${amount.toFixed(digits)} ${units[power]}`;
}

/** '0:28', '1:02:05' */
export function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${parts.join(':')}` : `${Number(parts[0])}:${parts[1]}`;
}

/** '412 MB of 1.12 GB, 25.1 MB/s, 0:28 left' */
export function progressText({ phase, doneBytes, totalBytes, bytesPerSecond, secondsLeft }: Progress): Text {
  const [done, total] = [bytesText(doneBytes), bytesText(totalBytes)];
  if (phase === 'verify') return say(`checking: ${done} of ${total}`, `校验中：${done} / ${total}`);
  const speed = bytesPerSecond > 0 ? `${bytesText(Math.round(bytesPerSecond))}/s` : undefined;
  const left = secondsLeft === undefined ? undefined : timeText(secondsLeft);
  return say(
    [`${done} of ${total}`, speed, left && `${left} left`].filter(Boolean).join(', '),
    [`${done} / ${total}`, speed, left && `剩余 ${left}`].filter(Boolean).join('，'),
  );
}

const everyMs = 200;
const windowMs = 8000;

/** Counts bytes and tells how far it is, at most five times a second. */
export class Meter {
  private samples: { readonly at: number; readonly done: number }[] = [];
  private told = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly phase: Progress['phase'],
    private done: number,
    private readonly total: number,
    private readonly now: () => number,
    private readonly tell: (progress: Progress) => void,
  ) {
    this.report();
  }

  add(bytes: number): void {
    this.done += bytes;
    if (this.now() - this.told >= everyMs || this.done === this.total) this.report();
  }

  private report(): void {
    const at = this.now();
    this.told = at;
    this.samples.push({ at, done: this.done });
    while (this.samples.length > 2 && at - this.samples[0]!.at > windowMs) this.samples.shift();
    const first = this.samples[0]!;
    const seconds = (at - first.at) / 1000;
    const speed = seconds > 0 ? (this.done - first.done) / seconds : 0;
    this.tell({
      phase: this.phase,
      doneBytes: this.done,
      totalBytes: this.total,
      bytesPerSecond: speed,
      ...(speed > 0 ? { secondsLeft: (this.total - this.done) / speed } : {}),
    });
  }
}
