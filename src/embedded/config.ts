import type { EngineConfig } from '../engines/embedded.js';

type Field = readonly [name: string, wanted: string, ok: (value: unknown) => boolean];

const text = (value: unknown): boolean => typeof value === 'string' && value !== '';
const whole = (min: number, max: number) => (value: unknown) =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
const maybe =
  (ok: Field[2]): Field[2] =>
  (value) =>
    value === undefined || ok(value);

const port = whole(0, 65535);
const fields: readonly Field[] = [
  ['host', 'an address', text],
  ['port', 'a port, 0 to 65535', port],
  ['runtime', 'a folder', text],
  ['model', 'an object { id, file }', (value) => typeof value === 'object' && value !== null],
  ['keyFile', 'a file', maybe(text)],
  ['threads', "'auto' or 1 to 1024", (value) => value === 'auto' || whole(1, 1024)(value)],
  ['sequences', '1 to 256', whole(1, 256)],
  ['contextSize', '64 to 16777216 tokens', whole(64, 1 << 24)],
  ['queue', '0 to 100000', whole(0, 100_000)],
  ['grpcPort', 'a port, 0 to 65535', maybe(port)],
  ['demo', 'true or false', maybe((value) => typeof value === 'boolean')],
  ['drainSeconds', '0 to 3600', whole(0, 3600)],
];

const defaults: Partial<EngineConfig> = { drainSeconds: 30 };

/** @throws Error that names every field which is missing, wrong or unknown. */
export function readConfig(json: string): EngineConfig {
  const parsed: unknown = JSON.parse(json);
  if (typeof parsed !== 'object' || parsed === null) throw new Error('the configuration is not a JSON object');
  const config: Record<string, unknown> = { ...defaults, ...parsed };
  const problems = fields
    .filter(([name, , ok]) => !ok(config[name]))
    .map(([name, wanted]) => `${name} must be ${wanted}`);
  const model = config.model as Record<string, unknown> | undefined;
  for (const name of ['id', 'file']) if (!text(model?.[name])) problems.push(`model.${name} must be a string`);
  const known = new Set(fields.map(([name]) => name));
  problems.push(...Object.keys(config).flatMap((name) => (known.has(name) ? [] : [`${name} is not known`])));
  if (problems.length > 0) throw new Error(`the configuration is wrong: ${problems.join('; ')}`);
  return config as unknown as EngineConfig;
}
