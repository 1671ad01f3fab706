import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Thinking } from '../../src/embedded/think.js';
import { Voice } from '../../src/embedded/voice.js';

/** Tokens that are the text's bytes, one to three at a time. */
function tokensOf(text: string, sizes: readonly number[]): Uint8Array[] {
  const bytes = new TextEncoder().encode(text);
  const tokens: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    tokens.push(bytes.slice(at, at + size));
    at += size;
  }
  return tokens;
}

function speak(text: string, sizes: readonly number[], stops: readonly string[], thinking: Thinking) {
  const tokens = tokensOf(text, sizes);
  const voice = new Voice((token) => tokens[token]!, stops, thinking);
  const said = { reasoning: '', content: '' };
  const add = (parts: typeof said) => {
    said.reasoning += parts.reasoning;
    said.content += parts.content;
  };
  for (let token = 0; token < tokens.length && !voice.stopped; token++) add(voice.push(token));
  add(voice.flush());
  return { ...said, tokens: voice.tokens, reasoningTokens: voice.reasoningTokens, stopped: voice.stopped };
}

describe('an answer from tokens', () => {
  it('is the same however the text falls into tokens', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(sizes, (pieces) => {
        const said = speak('<think>\n想一想🌉\n</think>\n\n石桥 END rest', pieces, ['END'], 'maybe');
        expect(said).toMatchObject({ reasoning: '想一想🌉', content: '石桥 ', stopped: true });
        expect(said.reasoningTokens).toBeLessThan(said.tokens);
      }),
    );
  });

  it('keeps what was held back when it ends', () => {
    expect(speak('almost EN', [2], ['END'], 'plain').content).toBe('almost EN');
    expect(speak('open thought </th', [3], [], 'open').reasoning).toBe('open thought </th');
    expect(speak('<thi', [1], [], 'maybe').content).toBe('<thi');
  });

  it('says U+FFFD for a character that never became whole', () => {
    const bytes = [Uint8Array.of(0x41), Uint8Array.of(0xe7, 0x9f)];
    const voice = new Voice((token) => bytes[token]!, [], 'plain');
    expect([voice.push(0).content, voice.push(1).content, voice.flush().content]).toEqual(['A', '', '\ufffd']);
  });
});
