/** What is asked and answered in `npm run bench:gateway`. */

export const answer = JSON.stringify({
  id: 'chatcmpl-0123456789abcdef',
  object: 'chat.completion',
  created: 1_790_000_000,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(180) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 150, completion_tokens: 45, total_tokens: 195 },
});
/** So many different prompts of about so many bytes. */
export const prompts = (count: number, bytes: number, temperature = 0.6, tokens = 256): readonly string[] =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      model: 'm',
      temperature,
      max_tokens: tokens,
      messages: [{ role: 'user', content: `${i} ${'The quick brown fox. '.repeat(bytes / 21)}` }],
    }),
  );
