import { expect, test } from 'vitest';
import { load, merge } from '../../src/config/load.js';
import { dropInText, proxyEnv } from '../../src/install/proxy.js';

const settings = async (text: string) => merge(await load(`version: 1\n${text}`, 'f'), []).config.kubernetes;

test('without a proxy nothing is said of one', async () => {
  expect(proxyEnv(await settings(''), ['10.0.0.1'])).toEqual({});
  expect(dropInText(await settings(''), ['10.0.0.1'])).toBeUndefined();
});

test('both spellings, for programs read one or the other', async () => {
  const env = proxyEnv(await settings('kubernetes: {proxy: "http://p:3128"}'), ['10.0.0.1']);
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) expect(env[name.toLowerCase()]).toBe(env[name]);
  expect(env.NO_PROXY).toContain('10.0.0.1,10.244.0.0/16');
});

test('a unit file reads % and quotes in its own way', async () => {
  const text = dropInText(await settings(`kubernetes: {proxy: 'http://u:p%40@p:3128'}`), []);
  expect(text).toContain('Environment="HTTPS_PROXY=http://u:p%%40@p:3128"');
});
