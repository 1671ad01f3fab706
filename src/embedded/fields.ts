import { invalid } from './problem.js';

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a request body field by field; null counts as absent. Every refusal names the field. */
export class Fields {
  constructor(
    private readonly body: Json,
    private readonly prefix = '',
  ) {}

  raw(name: string): unknown {
    return this.body[name] ?? undefined;
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  refuse(name: string, wanted: string): never {
    throw invalid(`'${this.prefix}${name}' must be ${wanted}.`, this.prefix + name);
  }

  unsupported(name: string, why = 'is not supported by this engine'): never {
    throw invalid(`'${this.prefix}${name}' ${why}.`, this.prefix + name, 'unsupported_parameter');
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value !== undefined && typeof value !== 'string') this.refuse(name, 'a string');
    return value as string | undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value !== undefined && typeof value !== 'boolean') this.refuse(name, 'true or false');
    return value as boolean | undefined;
  }

  number(name: string, min: number, max: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      this.refuse(name, `a number from ${min} to ${max}`);
    }
    return value;
  }

  whole(name: string, min: number, max: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      this.refuse(
        name,
        max >= Number.MAX_SAFE_INTEGER ? `an integer, at least ${min}` : `an integer from ${min} to ${max}`,
      );
    }
    return value as number;
  }

  object(name: string): Fields | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!isObject(value)) this.refuse(name, 'an object');
    return new Fields(value as Json, `${this.prefix}${name}.`);
  }

  json(name: string): Json | undefined {
    const value = this.raw(name);
    if (value !== undefined && !isObject(value)) this.refuse(name, 'an object');
    return value as Json | undefined;
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.raw(name);
    if (value !== undefined && !Array.isArray(value)) this.refuse(name, 'an array');
    return value as readonly unknown[] | undefined;
  }
}
