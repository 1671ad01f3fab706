/** What the chat templates of the models we serve make use of, in llama.cpp's own renderer. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Addon, loadAddon } from '../../src/embedded/addon.js';
import { testRuntime } from './runtime.js';

let addon: Addon;
beforeAll(async () => {
  addon = await loadAddon(await testRuntime(), () => {});
}, 120_000);

const render = (template: string, values: Record<string, unknown>): string =>
  new addon.AddonJinjaRenderer(template).render({ add_generation_prompt: true, bos_token: '<b>', ...values });

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: '<think>\nhm\n</think>\n\nHello {{ not a variable }}' },
  { role: 'user', content: 'And?' },
];

describe('chat templates', () => {
  it('in the manner of DeepSeek-R1: a namespace, thoughts cut away, an opened thought', () => {
    const template = `{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}
{%- set ns = namespace(system='', tool=false) -%}
{%- for message in messages %}{% if message['role'] == 'system' %}{% set ns.system = message['content'] %}{% endif %}{% endfor -%}
{{ bos_token }}{{ ns.system }}
{%- for message in messages -%}
{%- if message['role'] == 'user' %}{{ '<U>' + message['content'] }}{%- endif -%}
{%- if message['role'] == 'assistant' and message['content'] is not none -%}
{%- set content = message['content'] -%}
{%- if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif -%}
{{ '<A>' + content + '<end>' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and not ns.tool %}{{ '<A><think>\\n' }}{% endif %}`;
    expect(render(template, { messages })).toBe(
      '<b>Be brief.<U>Hi<A>\n\nHello {{ not a variable }}<end><U>And?<A><think>\n',
    );
  });

  it('in the manner of Qwen3: looking back, slices, string methods, a thought switched off', () => {
    const template = `
{%- set ns = namespace(last=messages|length - 1, found=false) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if not ns.found and message.role == "user" and not(message.content.startswith('<tool>')) %}
        {%- set ns.found = true %}{%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == "assistant" and '</think>' in content %}
        {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {{- thought if loop.index0 > ns.last else '' }}
    {%- endif %}
    {{- '<s>' + message.role + '\\n' + content + '</s>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<s>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}`;
    const said = render(template, { messages, enable_thinking: false });
    expect(said).toBe(
      '<s>system\nBe brief.</s>\n<s>user\nHi</s>\n<s>assistant\nHello {{ not a variable }}</s>\n<s>user\nAnd?</s>\n<s>assistant\n<think>\n\n</think>\n\n',
    );
    expect(render(template, { messages })).toMatch(/<s>assistant\n$/);
  });

  it('in the manner of Llama 3: filters, defaults, JSON, dates, and a refusal', () => {
    const template = `{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{{- date_string }}|{{ messages[0]['content'] | trim }}|{{ {'a': [1, true, none]} | tojson }}|{{ strftime_now('%Y') | length }}
{%- if messages[1:] | length > 5 %}{{ raise_exception('too many messages') }}{% endif %}`;
    expect(render(template, { messages })).toBe('26 Jul 2024|Be brief.|{"a": [1, true, null]}|4');
    expect(() => render(template, { messages: [...messages, ...messages] })).toThrow('too many messages');
  });
});
