import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AddonContext, AddonSampler } from '../../src/embedded/addon.js';
import { Scheduler } from '../../src/embedded/scheduler.js';
import type { Ending, Limits, Work } from '../../src/embedded/work.js';

const end = 0;

interface Entry {
  readonly sequence: number;
  readonly position: number;
  readonly tokens: readonly number[];
  readonly wanted: number;
}

/** A context that keeps the books llama.cpp would: what lies where, and that nobody touches a batch being computed. */
class BookContext implements AddonContext {
  readonly cells = new Map<number, number[]>();
  readonly batches: Entry[][] = [];
  private batch: Entry[] = [];
  private room = 0;
  private computing = false;
  failing = 0;

  private cellsOf(sequence: number): number[] {
    if (!this.cells.has(sequence)) this.cells.set(sequence, []);
    return this.cells.get(sequence)!;
  }
  private idle(): void {
    if (this.computing) throw new Error('the context is being computed');
  }
  initBatch(size: number): void {
    this.idle();
    this.batch = [];
    this.room = size;
  }
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logitsOf: Uint32Array): Uint32Array {
    this.idle();
    this.room -= tokens.length;
    if (this.room < 0) throw new Error('the batch is full');
    if (this.cellsOf(sequence).length !== position) throw new Error('a gap in the sequence');
    this.cellsOf(sequence).push(...tokens);
    this.batch.push({ sequence, position, tokens: [...tokens], wanted: logitsOf.length });
    return logitsOf.map(() => this.batch.length - 1);
  }
  async decodeBatch(): Promise<void> {
    this.computing = true;
    this.batches.push(this.batch);
    await turn();
    this.computing = false;
    if (this.failing-- > 0) throw new Error('Eval has failed');
  }
  /** The next token is a sum over all that was read: cross-talk would change it. Ends come of themselves. */
  async sampleToken(logit: number, sampler: AddonSampler): Promise<number> {
    const entry = this.batch[logit]!;
    await turn();
    if ('broken' in sampler) throw new Error('a sampler broke');
    return this.cellsOf(entry.sequence).reduce((sum, token) => (sum * 31 + token) % 97, 7);
  }
  disposeSequence(sequence: number): void {
    this.idle();
    this.cells.set(sequence, []);
  }
  removeTokenCellsFromSequence(sequence: number, start: number): boolean {
    this.idle();
    this.cellsOf(sequence).length = start;
    return true;
  }
  init = async () => true;
  dispose = async () => {};
  getContextSize = () => 0;
  setThreads(): void {}
}

class Heard {
  readonly tokens: number[] = [];
  ending: Ending | undefined;
  cached = -1;
  readonly over: Promise<void>;
  private resolve!: () => void;

  constructor(private readonly enoughAfter = Number.POSITIVE_INFINITY) {
    this.over = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
  start = (_: number, cached: number): void => {
    this.cached = cached;
  };
  token = (token: number): boolean => {
    if (this.ending !== undefined) throw new Error('a token after the end');
    this.tokens.push(token);
    return this.tokens.length < this.enoughAfter;
  };
  end = (ending: Ending): void => {
    if (this.ending !== undefined) throw new Error('ended twice');
    this.ending = ending;
    this.resolve();
  };
}

let disposed = 0;
const sampler = (): AddonSampler => ({ applyConfig: () => {}, dispose: () => void disposed++ });

function work(prompt: readonly number[], maxTokens: number, heard: Heard, more: Partial<Work> = {}): Work {
  return { prompt: Uint32Array.from(prompt), maxTokens, ignoreEos: false, reuse: false, sampler, sink: heard, ...more };
}

function rig(limits: Partial<Limits> = {}) {
  const context = new BookContext();
  const broken: Error[] = [];
  const all = { sequences: 3, contextSize: 64, chunk: 8, queue: 4, ...limits };
  const scheduler = new Scheduler(
    context,
    all,
    (token) => token === end,
    (error) => broken.push(error),
  );
  return { context, scheduler, broken };
}

/** What the model says to a prompt when it is alone. */
async function solo(prompt: readonly number[], maxTokens: number): Promise<Heard> {
  const heard = new Heard();
  rig().scheduler.submit([work(prompt, maxTokens, heard)]);
  await heard.over;
  return heard;
}

describe('the scheduler', () => {
  it('tells each its own answer, whoever else speaks', async () => {
    const prompt = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 30 });
    const asked = fc.array(fc.tuple(prompt, fc.integer({ min: 1, max: 30 })), { minLength: 1, maxLength: 7 });
    await fc.assert(
      fc.asyncProperty(asked, async (requests) => {
        const { scheduler, context } = rig();
        const heard = requests.map(() => new Heard());
        const works = requests.map(([tokens, max], i) => work(tokens, max, heard[i]!));
        for (const one of works) expect(scheduler.submit([one])).toHaveLength(1);
        await Promise.all(heard.map((one) => one.over));
        for (const [i, [tokens, max]] of requests.entries()) {
          const alone = await solo(tokens, max);
          expect(heard[i]!.tokens).toEqual(alone.tokens);
          expect(heard[i]!.ending).toBe(alone.ending);
        }
        for (const batch of context.batches) {
          const ids = batch.map(({ sequence }) => sequence);
          // llama.cpp computes neighbours together: the order must be that of the sequences.
          expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
        }
        await turn();
        expect(scheduler.load()).toEqual({ running: 0, waiting: 0, cacheUsage: 0 });
        expect(scheduler.stuckFor()).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('ends by length, at the end of the context, by an end token and when it has heard enough', async () => {
    const length = new Heard();
    const full = new Heard();
    const enough = new Heard(2);
    const { scheduler } = rig({ contextSize: 20 });
    scheduler.submit([work([1], 3, length), work(Array(17).fill(1), 99, full), work([2], 50, enough)]);
    await Promise.all([length.over, full.over, enough.over]);
    expect([length.ending, length.tokens.length]).toEqual(['length', 3]);
    expect([full.ending, full.tokens.length]).toEqual(['length', 3]);
    expect([enough.ending, enough.tokens.length]).toEqual(['stop', 2]);
  });

  it('goes past end tokens only when asked to', async () => {
    for (let first = 1; first < 90; first++) {
      const alone = await solo([first], 40);
      if (alone.ending !== 'stop') continue;
      const heard = new Heard();
      rig().scheduler.submit([work([first], 40, heard, { ignoreEos: true })]);
      await heard.over;
      expect(heard.ending).toBe('length');
      expect(heard.tokens.slice(0, alone.tokens.length + 1)).toEqual([...alone.tokens, end]);
      return;
    }
    throw new Error('no prompt ends by itself');
  });

  it('lets speakers speak while a long prompt is read, and reads first come first', async () => {
    const { scheduler, context } = rig({ chunk: 128, contextSize: 2000 });
    const speaker = new Heard();
    scheduler.submit([work([1, 2], 30, speaker, { ignoreEos: true })]);
    while (speaker.tokens.length < 2) await turn();
    const readers = [new Heard(), new Heard()];
    scheduler.submit(readers.map((heard) => work(Array(300).fill(3), 2, heard, { ignoreEos: true })));
    await Promise.all([speaker.over, ...readers.map((heard) => heard.over)]);
    const mixed = context.batches.filter((batch) => batch.some(({ tokens }) => tokens.length > 1)).slice(1);
    for (const batch of mixed) {
      expect(batch.find(({ sequence }) => sequence === 0)?.tokens).toHaveLength(1);
      expect(batch.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(131);
    }
    const done = (sequence: number) =>
      context.batches.findIndex((b) => b.some((e) => e.sequence === sequence && e.wanted));
    expect(done(1)).toBeLessThan(done(2));
  });

  it('takes all of a request or nothing of it, and no more than the queue holds', async () => {
    const { scheduler } = rig({ sequences: 2, queue: 2 });
    const heard = Array.from({ length: 5 }, () => new Heard());
    const works = heard.map((one) => work([1], 5, one));
    expect(scheduler.submit(works)).toBeUndefined();
    expect(scheduler.submit(works.slice(0, 4))).toHaveLength(4);
    expect(scheduler.submit(works.slice(4))).toBeUndefined();
    expect(scheduler.load()).toMatchObject({ running: 0, waiting: 4 });
    await turn();
    expect(scheduler.load()).toMatchObject({ running: 2, waiting: 2 });
    await Promise.all(heard.slice(0, 4).map((one) => one.over));
    expect(heard[4]!.ending).toBeUndefined();
  });

  it('frees the sequence of who goes away within a step, running or waiting', async () => {
    const { scheduler } = rig({ sequences: 1 });
    const [gone, patient, next] = [new Heard(), new Heard(), new Heard()];
    const [first] = scheduler.submit([work([1], 1000, gone, { ignoreEos: true })])!;
    const [second] = scheduler.submit([work([1], 5, patient)])!;
    scheduler.submit([work([5], 2, next, { ignoreEos: true })]);
    while (gone.tokens.length < 3) await turn();
    second!.cancel();
    first!.cancel();
    first!.cancel();
    expect([gone.ending, patient.ending]).toEqual(['abort', 'abort']);
    await next.over;
    expect(next.tokens).toHaveLength(2);
    expect(patient.tokens).toHaveLength(0);
    expect(gone.tokens.length).toBeLessThan(5);
  });

  it('disposes of every sampler once', async () => {
    disposed = 0;
    const { scheduler } = rig();
    const heard = Array.from({ length: 6 }, () => new Heard());
    const tickets = scheduler.submit(heard.map((one) => work([1], 20, one, { ignoreEos: true })))!;
    while (heard[0]!.tokens.length === 0) await turn();
    tickets[1]!.cancel();
    await Promise.all(heard.map((one) => one.over));
    for (let i = 0; i < 5; i++) await turn();
    expect(disposed).toBe(6);
  });

  it('uses the computed beginning of an earlier prompt, and says how much', async () => {
    const { scheduler, context } = rig();
    const long = Array.from({ length: 40 }, (_, i) => (i % 9) + 1);
    const ask = async (prompt: readonly number[], reuse: boolean): Promise<Heard> => {
      const heard = new Heard();
      scheduler.submit([work(prompt, 3, heard, { reuse, ignoreEos: true })]);
      await heard.over;
      return heard;
    };
    const first = await ask(long, true);
    const again = await ask([...long, 5], true);
    const alone = await ask([...long, 5], false);
    expect([first.cached, again.cached, alone.cached]).toEqual([0, 40, 0]);
    expect(again.tokens).toEqual(alone.tokens);
    expect((await ask([9, ...long], true)).cached).toBe(0);
    // The same prompt again: its last token is computed anew, for the logits.
    expect((await ask(long, true)).cached).toBe(39);
    expect(context.batches.flat().every(({ tokens }) => tokens.length > 0)).toBe(true);
  });

  it('fails one answer for one sampler, all for a step, and gives up after three steps', async () => {
    const { scheduler, context, broken } = rig();
    const [bad, good] = [new Heard(), new Heard()];
    const breaking = () => ({ ...sampler(), broken: true });
    scheduler.submit([work([1], 5, bad, { sampler: breaking }), work([1], 5, good)]);
    await Promise.all([bad.over, good.over]);
    expect(bad.ending).toBe('error');
    expect(good.ending).not.toBe('error');
    const throws = new Heard();
    const throwing = () => {
      throw new Error('no memory');
    };
    scheduler.submit([work([1], 5, throws, { sampler: throwing })]);
    await throws.over;
    expect(throws.ending).toBe('error');
    for (let step = 1; step <= 3; step++) {
      context.failing = 1;
      const heard = new Heard();
      scheduler.submit([work([1], 5, heard)]);
      await heard.over;
      await turn();
      expect(heard.ending).toBe('error');
      expect(broken).toHaveLength(step === 3 ? 1 : 0);
    }
  });

  it('ends everybody when it must', async () => {
    const { scheduler } = rig({ sequences: 1 });
    const heard = [new Heard(), new Heard()];
    scheduler.submit(heard.map((one) => work([1], 1000, one, { ignoreEos: true })));
    while (heard[0]!.tokens.length === 0) await turn();
    scheduler.abortAll();
    expect(heard.map((one) => one.ending)).toEqual(['abort', 'abort']);
  });
});
