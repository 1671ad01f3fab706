import { describe, expect, it } from 'vitest';
import { tellingLines } from '../../src/supervisor/telling.js';

const node = `listening soon
node:events:497
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE: address already in use 127.0.0.1:8000
    at Server.setupListenHandle [as _listen2] (node:net:1908:16)
    at listenInCluster (node:net:1965:12)
{
  code: 'EADDRINUSE'
}

Node.js v20.20.2
`;

describe('tellingLines', () => {
  it('finds the reason in the trace of a Node process', () => {
    expect(tellingLines(node)).toContain('Error: listen EADDRINUSE: address already in use 127.0.0.1:8000');
  });

  it('prefers trouble over later chatter', () => {
    const text = '[emerg] bind() failed (98: Address already in use)\nbye\nbye\nbye\nbye\n';
    expect(tellingLines(text)).toEqual(['[emerg] bind() failed (98: Address already in use)']);
  });

  it('takes the last lines when none sounds like trouble', () => {
    expect(tellingLines('one\ntwo\n\nthree\nfour\n')).toEqual(['two', 'three', 'four']);
    expect(tellingLines('')).toEqual([]);
    expect(tellingLines(' \n\n')).toEqual([]);
  });

  it('leaves no escape sequence and no line without end', () => {
    const [line = ''] = tellingLines(`\u001b[31merror:\u001b[0m \u0007${'x'.repeat(5000)}`);
    expect(line).toMatch(/^error: x+…$/);
    expect(line.length).toBe(301);
  });
});
