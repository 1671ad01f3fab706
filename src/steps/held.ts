/** What shall be in the cluster, held against what the API server has. */
import type { Command } from '../command.js';
import type { Host, World } from '../world.js';
import { kubectl } from './at-node.js';

export const manager = '--field-manager=deepseek-deploy';

/** A manifest of the host, or documents that are said. */
export type Part = { readonly file: string } | { readonly documents: string };

const diff = (parts: readonly Part[]): Command => {
  const files = parts.flatMap((part) => ('file' in part ? ['-f', part.file] : []));
  const documents = parts.flatMap((part) => ('documents' in part ? [part.documents] : []));
  const said = documents.length > 0 ? ['-f', '-'] : [];
  const stdin = documents.length > 0 ? documents.join('\n---\n') : undefined;
  return kubectl(['diff', '--server-side', manager, ...files, ...said], stdin);
};

const areSame = async (parts: readonly Part[], host: Host): Promise<boolean> =>
  (await host.run(diff(parts))).code === 0;

interface Gathering {
  readonly parts: Part[];
  readonly same: Promise<boolean>;
}

/** Those that are asked in this turn of the event loop. */
const gathering = new WeakMap<Host, Gathering>();

function gathered(part: Part, host: Host): Gathering {
  const now = gathering.get(host);
  if (now) {
    now.parts.push(part);
    return now;
  }
  const parts = [part];
  const same = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    gathering.delete(host);
    return areSame(parts, host);
  });
  const made = { parts, same };
  gathering.set(host, made);
  return made;
}

/**
 * Whether nothing of it would change if it were applied. What is asked at the same moment is asked by one command; only
 * when something of it differs, or cannot be said yet, each by its own.
 */
export async function isHeld(part: Part, { host }: Pick<World, 'host'>): Promise<boolean> {
  const { parts, same } = gathered(part, host);
  if (await same) return true;
  return parts.length > 1 && areSame([part], host);
}
