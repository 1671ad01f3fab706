import { describe, expect, it } from 'vitest';
import { pieceOf, vocabularyType } from '../../src/embedded/pieces.js';

const { bpe, spm } = vocabularyType;
const attribute = { normal: 4, control: 8, user: 16, byte: 32 };

describe('what a token says', () => {
  it.each([
    ['a word with its space', bpe, 'Ġstone', attribute.normal, ' stone'],
    ['a line break', bpe, 'Ċ', attribute.normal, '\n'],
    ['Chinese in byte letters', bpe, 'ä¸ŃåĽ½', attribute.normal, '中国'],
    ['part of a character', bpe, 'ä¸', attribute.normal, Uint8Array.of(0xe4, 0xb8)],
    ['a letter that is no byte', bpe, '▁x', attribute.normal, '▁x'],
    ['an added token as it is', bpe, '<tool>Ġ', attribute.user, '<tool>Ġ'],
    ['nothing for a control token', bpe, '<|im_end|>', attribute.control, ''],
    ['the marks of thought, whatever they count as', bpe, '</think>', attribute.control, '</think>'],
    ['a word of SentencePiece', spm, '▁stone', attribute.normal, ' stone'],
    ['a byte of SentencePiece', spm, '<0x0A>', attribute.byte, '\n'],
    ['half a character of SentencePiece', spm, '<0xE4>', attribute.byte, Uint8Array.of(0xe4)],
  ])('%s', (_, vocabulary, text, attributes, piece) => {
    expect(pieceOf(vocabulary, text, attributes)).toEqual(piece);
  });
});
