import { expect, test } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { auditOptions } from '../../src/gateway/audit.js';
import { auditOf } from '../../src/steps/audit.js';

const configOf = async (text: string) => merge(await load(`version: 1\n${text}`, 'deepseek.yaml'), []).config;

test('without a word it goes on, keeps no content, and turns at a size and an age', async () => {
  expect(auditOf(await configOf(''))).toEqual(auditOptions());
});

test('what is said is what the gateway gets', async () => {
  const text = `gateway:
  audit: {onError: refuse, content: true, contentBytes: 64KiB, streamTokens: false, rotateBytes: 1MiB, rotateAfter: 12h}
`;
  expect(auditOf(await configOf(text))).toEqual({
    onError: 'refuse',
    content: true,
    contentBytes: 65_536,
    streamTokens: false,
    rotateBytes: 1_048_576,
    rotateS: 43_200,
  });
});
