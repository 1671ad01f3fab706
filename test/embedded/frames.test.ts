import { describe, expect, it } from 'vitest';
import { frame, GrpcError, grpcError, percentEncoded, status, timeoutMs, unframe } from '../../src/embedded/frames.js';
import { broken, invalid, notReady, queueFull, unauthorized, unknownModel } from '../../src/embedded/problem.js';

describe('gRPC frames', () => {
  it('carry their length', () => {
    expect([...frame(Uint8Array.of(7, 8))]).toEqual([0, 0, 0, 0, 2, 7, 8]);
    expect([...unframe(frame(Uint8Array.of(7, 8)))]).toEqual([7, 8]);
  });

  it.each([
    ['no message', Buffer.alloc(0), status.invalidArgument],
    ['half a message', Buffer.from([0, 0, 0, 0, 9, 1]), status.invalidArgument],
    ['two messages', Buffer.concat([frame(Uint8Array.of(1)), frame(Uint8Array.of(2))]), status.invalidArgument],
    ['a compressed message', Buffer.from([1, 0, 0, 0, 1, 1]), status.unimplemented],
  ])('%s is refused', (_, body, code) => {
    expect(() => unframe(body)).toThrow(GrpcError);
    try {
      unframe(body);
    } catch (error) {
      expect((error as GrpcError).status).toBe(code);
    }
  });
});

describe('what goes wrong, in gRPC', () => {
  it.each([
    [invalid('x'), status.invalidArgument],
    [unauthorized(), status.unauthenticated],
    [unknownModel('a', 'b'), status.notFound],
    [queueFull(), status.resourceExhausted],
    [notReady('x'), status.unavailable],
    [broken('x'), status.internal],
  ])('%s', (problem, code) => expect(grpcError(problem).status).toBe(code));

  it('travels as printable ASCII', () => {
    expect(percentEncoded('100% 中\n')).toBe('100%25 %E4%B8%AD%0A');
  });
});

describe('a deadline', () => {
  it.each([
    ['10S', 10_000],
    ['500m', 500],
    ['2M', 120_000],
    ['100u', 0.1],
    ['', undefined],
    ['x', undefined],
    ['123456789S', undefined],
    [undefined, undefined],
  ])('%s', (header, ms) => expect(timeoutMs(header)).toBe(ms));
});
