/**
 * Continuous batching: each step decodes one token of every running sequence, and parts of new prompts, in one batch. The
 * text of a step's tokens is made while the next step is computed, so that it costs no time where a core is free.
 */
import type { AddonContext } from './addon.js';
import { type Job, pickSlot, type Slot } from './slots.js';
import type { Ending, Limits, Load, Ticket, Work } from './work.js';

/** Whose next token is to be sampled, and where in the batch their logits lie. */
interface Wanted {
  readonly jobs: Job[];
  readonly logits: number[];
  /** Parts of prompts are in the batch too. */
  readonly reading: boolean;
}

interface Delivery {
  readonly job: Job;
  readonly token: number | undefined;
  readonly ending: Ending | undefined;
}

const first = Uint32Array.of(0);
const none = new Uint32Array(0);
/** In a token's place. */
const broken = -2;
const failuresToGiveUp = 3;

export class Scheduler {
  private readonly slots: Slot[];
  private readonly waiting: Job[] = [];
  private deliveries: Delivery[] = [];
  private looping = false;
  private failures = 0;
  private arrivals = 0;
  /** Milliseconds (`performance.now`) of the last step, or of when work began. */
  private progressAt = 0;

  constructor(
    private readonly context: AddonContext,
    private readonly limits: Limits,
    private readonly isEnd: (token: number) => boolean,
    /** The model fails again and again: the process should end. */
    private readonly onBroken: (error: Error) => void,
    /** All tokens at hand were told, and the next ones may take a while: a prompt is read, or nobody speaks. */
    private readonly onPause: () => void = () => {},
  ) {
    this.slots = Array.from({ length: limits.sequences }, (_, id) => ({ id, job: undefined, tokens: [], usedBy: -1 }));
  }

  /** All of them, or undefined: then the queue has no room for them. */
  submit(works: readonly Work[]): Ticket[] | undefined {
    const free = this.slots.length - this.running().length;
    if (this.waiting.length + works.length > this.limits.queue + free) return undefined;
    const jobs = works.map(
      (work): Job => ({
        work,
        arrival: this.arrivals++,
        slot: undefined,
        sampler: undefined,
        read: 0,
        produced: 0,
        next: new Uint32Array(1),
        over: false,
      }),
    );
    this.waiting.push(...jobs);
    if (!this.looping) {
      this.looping = true;
      this.progressAt = performance.now();
      queueMicrotask(() => void this.loop());
    }
    return jobs.map((job) => ({ cancel: () => this.cancel(job) }));
  }

  load(): Load {
    const running = this.running();
    const used = running.reduce((sum, { tokens }) => sum + tokens.length, 0);
    return {
      running: running.length,
      waiting: this.waiting.length,
      cacheUsage: used / (this.limits.contextSize * this.slots.length),
    };
  }

  /** Milliseconds since the last step while there is work, else 0. */
  stuckFor(): number {
    return this.looping ? performance.now() - this.progressAt : 0;
  }

  private running(): Slot[] {
    return this.slots.filter(({ job }) => job !== undefined);
  }

  private cancel(job: Job): void {
    if (job.over) return;
    this.finish(job, 'abort');
    const place = this.waiting.indexOf(job);
    if (place >= 0) this.waiting.splice(place, 1);
  }

  /** Ends everything that runs or waits with 'abort'. */
  abortAll(): void {
    for (const job of [...this.waiting, ...this.running().map((slot) => slot.job!)]) this.cancel(job);
  }

  private async loop(): Promise<void> {
    for (;;) {
      this.release();
      this.admit();
      const wanted = this.fill();
      if (wanted === undefined) {
        this.deliver();
        this.onPause();
        if (this.waiting.length === 0 && this.running().length === 0) break;
        continue;
      }
      try {
        await this.step(wanted);
        this.failures = 0;
      } catch (error) {
        this.fail(error as Error);
      }
      this.progressAt = performance.now();
    }
    this.looping = false;
  }

  private async step(wanted: Wanted): Promise<void> {
    const decoded = this.context.decodeBatch();
    try {
      this.deliver();
      if (wanted.reading) this.onPause();
    } finally {
      // Whatever happens, the batch is not touched while it is being computed.
      await decoded;
    }
    await this.sample(wanted);
  }

  /** Sequences whose job is over are free again. */
  private release(): void {
    for (const slot of this.slots) {
      if (!slot.job?.over) continue;
      slot.job.sampler?.dispose();
      slot.job = undefined;
    }
  }

  private admit(): void {
    while (this.waiting.length > 0 && this.start(this.waiting[0]!)) this.waiting.shift();
  }

  /** False: no sequence is free. */
  private start(job: Job): boolean {
    const { prompt, reuse, sink } = job.work;
    const picked = pickSlot(prompt, this.slots, reuse);
    if (picked === undefined) return false;
    const { slot } = picked;
    let { kept } = picked;
    if (kept > 0 && !this.context.removeTokenCellsFromSequence(slot.id, kept, -1)) kept = 0;
    if (kept === 0) this.context.disposeSequence(slot.id);
    slot.tokens.length = kept;
    slot.usedBy = job.arrival;
    slot.job = job;
    job.slot = slot;
    job.read = kept;
    try {
      job.sampler = job.work.sampler();
      sink.start(performance.now(), kept);
    } catch {
      this.finish(job, 'error');
    }
    return true;
  }

  /** Fills the batch; answers whose logits are wanted, or undefined when there is nothing to do. */
  private fill(): Wanted | undefined {
    const jobs: Job[] = [];
    for (const { job } of this.slots) if (job !== undefined && !job.over) jobs.push(job);
    if (jobs.length === 0) return undefined;
    const chunks = this.chunks(jobs);
    let size = 0;
    for (const { length } of chunks) size += length;
    this.context.initBatch(size);
    const wanted: Wanted = { jobs: [], logits: [], reading: size > jobs.length };
    for (let i = 0; i < jobs.length; i++) this.add(jobs[i]!, chunks[i]!, wanted);
    return wanted;
  }

  private add(job: Job, chunk: Uint32Array, wanted: Wanted): void {
    if (chunk.length === 0) return;
    const { id, tokens } = job.slot!;
    if (chunk !== job.next) job.read += chunk.length;
    const last = job.read === job.work.prompt.length;
    const logitsOf = !last ? none : chunk.length === 1 ? first : Uint32Array.of(chunk.length - 1);
    const places = this.context.addToBatch(id, tokens.length, chunk, logitsOf);
    for (let i = 0; i < chunk.length; i++) tokens.push(chunk[i]!);
    if (!last) return;
    wanted.jobs.push(job);
    wanted.logits.push(places[0]!);
  }

  /** What each job takes into the next step: who speaks one token, who reads as much as there is room, first come first. */
  private chunks(jobs: readonly Job[]): Uint32Array[] {
    const chunks = jobs.map(({ next }) => next);
    const reading = jobs.filter(({ read, work }) => read < work.prompt.length);
    if (reading.length === 0) return chunks;
    let room = this.limits.chunk;
    for (const job of reading.sort((a, b) => a.arrival - b.arrival)) {
      const chunk = job.work.prompt.subarray(job.read, job.read + room);
      room -= chunk.length;
      chunks[jobs.indexOf(job)] = chunk;
    }
    return chunks;
  }

  private async sample({ jobs, logits }: Wanted): Promise<void> {
    const sampling = jobs.map((job, i) => (job.over ? -1 : this.context.sampleToken(logits[i]!, job.sampler!)));
    let tokens: number[];
    try {
      tokens = await Promise.all(sampling);
    } catch {
      // One sampler broke: its own answer fails, when all others have their tokens.
      const settled = await Promise.allSettled(sampling);
      tokens = settled.map((one) => (one.status === 'fulfilled' ? one.value : broken));
    }
    for (let i = 0; i < jobs.length; i++) if (!jobs[i]!.over) this.sampled(jobs[i]!, tokens[i]!);
  }

  private sampled(job: Job, token: number): void {
    const { work } = job;
    if (token < 0 || (this.isEnd(token) && !work.ignoreEos)) {
      this.push({ job, token: undefined, ending: token === broken ? 'error' : 'stop' });
      return;
    }
    job.next[0] = token;
    job.produced++;
    const full = job.produced >= work.maxTokens || job.slot!.tokens.length + 1 >= this.limits.contextSize;
    this.push({ job, token, ending: full ? 'length' : undefined });
  }

  private push(delivery: Delivery): void {
    this.deliveries.push(delivery);
    // What has its ending on the way takes no further step; `deliver` still tells it.
    if (delivery.ending !== undefined) delivery.job.over = true;
  }

  private deliver(): void {
    const { deliveries } = this;
    if (deliveries.length === 0) return;
    this.deliveries = [];
    const at = performance.now();
    for (const { job, token, ending } of deliveries) {
      if (job.over && ending === undefined) continue;
      const { sink } = job.work;
      const enough = token !== undefined && !sink.token(token, at);
      if (enough || ending !== undefined) {
        job.over = true;
        sink.end(enough ? 'stop' : ending!, at);
      }
    }
  }

  /** Ends a job that has no delivery with an ending on the way. */
  private finish(job: Job, ending: Ending): void {
    job.over = true;
    job.work.sink.end(ending, performance.now());
  }

  /** A step failed: the cache of every sequence in it is unknown now. */
  private fail(error: Error): void {
    this.deliver();
    for (const slot of this.slots) {
      if (slot.job && !slot.job.over) this.finish(slot.job, 'error');
      this.context.disposeSequence(slot.id);
      slot.tokens.length = 0;
    }
    if (++this.failures >= failuresToGiveUp) this.onBroken(error);
  }
}
