/** The import rules of the house, each with its reason. A new room is one line in `layers`. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Lower may not import higher. A file is matched by the longest key that begins its path. */
const layers: Readonly<Record<string, number>> = {
  'src/say.ts': 0,
  'src/errors.ts': 0,
  'src/command.ts': 0,
  'src/world.ts': 0,
  'src/remote.ts': 0,
  'src/verb.ts': 0,
  'src/table.ts': 0,
  'src/address.ts': 0,
  'src/failure.ts': 0,
  'src/config/': 1,
  'src/probes/': 1,
  'src/checks/': 1,
  'src/models/': 1,
  'src/engines/': 1,
  'src/steps/': 1,
  'src/targets/': 1,
  'src/gateway/': 1,
  'src/audit/': 1,
  'src/install/': 1,
  'src/manifests/': 1,
  'src/bundle/': 1,
  'src/bundle/collect.ts': 2,
  'src/bundle/collect-images.ts': 2,
  'src/bundle/collect-local.ts': 2,
  'src/bundle/collect-packages.ts': 2,
  'src/bundle/collect-weights.ts': 2,
  'src/plan/step.ts': 1,
  'src/bench/': 1,
  'src/supervisor/stack.ts': 1,
  'src/supervisor/report.ts': 1,
  'src/supervisor/status.ts': 1,
  'src/supervisor/telling.ts': 1,
  'src/supervisor/words.ts': 1,
  'src/plan/': 2,
  'src/fleet/': 2,
  'src/bench/load.ts': 2,
  'src/bench/measure.ts': 2,
  'src/supervisor/control.ts': 2,
  'src/hosts/': 3,
  'src/ui/': 3,
  'src/commands/': 4,
  'src/cli.ts': 4,
  'src/main.ts': 5,
  'src/engine.ts': 5,
  'src/embedded/': 5,
  'src/supervisor.ts': 5,
  'src/supervisor/': 5,
};

/** They alone touch the machine; everybody else asks the World, so that a whole command runs in a test. */
const effects =
  /^(node:(fs|net|http|http2|https|tls|child_process|os|process|worker_threads)(\/.*)?|execa|listr2|ora|@inquirer\/prompts|chalk|undici)$/;
const mayTouchTheMachine = [
  'src/hosts/',
  'src/ui/',
  'src/main.ts',
  'src/engine.ts',
  'src/embedded/',
  'src/supervisor.ts',
  'src/supervisor/',
];

const under = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
    .sort();

const files = under('src', '.ts');

function layerOf(file: string): number {
  const key = Object.keys(layers)
    .filter((name) => file.startsWith(name))
    .sort((a, b) => b.length - a.length)[0];
  if (key === undefined) throw new Error(`${file} is in no room: add it to the layers`);
  return layers[key]!;
}

interface Import {
  readonly name: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)';|\bimport\('([^']+)'\)/gms,
  );
  return [...found].map((hit) => ({ name: (hit[2] ?? hit[3])!, typeOnly: hit[1] !== undefined }));
}

const target = (file: string, name: string): string => normalize(join(dirname(file), name)).replace(/\.js$/, '.ts');

describe('who may import whom', () => {
  it.each(files)('%s', (file) => {
    const layer = layerOf(file);
    for (const { name, typeOnly } of importsOf(file)) {
      if (!name.startsWith('.')) {
        const allowed = mayTouchTheMachine.some((room) => file.startsWith(room));
        expect(allowed || !effects.test(name), `${file} reaches ${name} itself; ask the World`).toBe(true);
        continue;
      }
      const other = target(file, name);
      if (!other.startsWith('src/')) continue;
      // An adapter knows the types of the nouns; a root may know all.
      const upward = layerOf(other) > layer && !typeOnly;
      expect(upward, `${file} (layer ${layer}) imports ${other} (layer ${layerOf(other)})`).toBe(false);
    }
  });

  it('only the roots touch process', () => {
    const touching = files.filter((file) => {
      const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$|'[^'\n]*'|`[^`]*`/gm, '');
      return /(?<![\w.$-])process\.(?!<)/.test(text) && !mayTouchTheMachine.some((room) => file.startsWith(room));
    });
    expect(touching).toEqual([]);
  });

  it('folders lie one level deep', () => {
    expect(files.filter((file) => file.split('/').length > 3)).toEqual([]);
  });
});

describe('sizes that keep a room liveable', () => {
  const sources = [...files, ...under('templates', '.lua')];
  it.each(sources)('%s has at most 300 lines', (file) => {
    expect(readFileSync(join(root, file), 'utf8').split('\n').length - 1).toBeLessThanOrEqual(300);
  });
});
