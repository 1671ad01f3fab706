import { describe, expect, it } from 'vitest';
import type { Served } from '../../src/embedded/answering.js';
import { allowed } from '../../src/embedded/key.js';
import { State } from '../../src/embedded/state.js';

const served = (stuckMs: number) => ({ scheduler: { stuckFor: () => stuckMs } }) as unknown as Served;

describe('where the engine stands', () => {
  it('is loading until it is ready', () => {
    const state = new State();
    expect(state.trouble()).toBe('the model is loading');
    expect(() => state.need()).toThrow('not ready: the model is loading');
    const ready = served(0);
    state.ready(ready);
    expect(state.trouble()).toBeUndefined();
    expect(state.need()).toBe(ready);
  });

  it('is in trouble when no step was computed for long', () => {
    const state = new State();
    state.ready(served(119_000));
    expect(state.trouble()).toBeUndefined();
    state.ready(served(121_000));
    expect(state.trouble()).toBe('no step was computed for 121 s');
    expect(() => state.need()).toThrow('121 s');
  });

  it('refuses when told to, and still shows its figures', () => {
    const state = new State();
    const one = served(0);
    state.ready(one);
    state.refuse('the engine is shutting down');
    expect(() => state.need()).toThrow('shutting down');
    expect(state.any()).toBe(one);
  });
});

describe('the key', () => {
  it.each([
    ['Bearer sk-1', true],
    ['bearer  sk-1 ', true],
    ['Bearer sk-2', false],
    ['Bearer sk-1 sk-2', false],
    ['sk-1', false],
    ['Basic sk-1', false],
    ['', false],
    [undefined, false],
  ])('%s: %s', (header, fine) => expect(allowed(header, 'sk-1')).toBe(fine));

  it('is asked of nobody where there is none', () => expect(allowed(undefined, undefined)).toBe(true));
});
