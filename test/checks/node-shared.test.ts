/** Recorded outputs of nvidia-smi from the shared folder, on a host of a cluster: its faults fail there, and nothing else of it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { doctorIds } from '../../src/checks/node.js';
import { understand } from '../../src/probes/understand.js';
import { cluster, failed, gpu } from './node-hosts.js';

const shared = process.env.DEEPSEEK_DEPLOY_SHARED ?? join(import.meta.dirname, '../../../shared');
const folder = join(shared, 'data/nvidia-smi');
const present = existsSync(folder);
if (!present) console.warn(`\n*** the shared recordings were not looked at: there is no ${folder} ***\n`);

/** Whole outputs of `nvidia-smi -q -x`, each with the faults that were read in it by eye. */
const outputs = readFileSync(join(import.meta.dirname, '../probes/shared-recordings.tsv'), 'utf8')
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t'))
  .filter(([, form]) => form === 'q-x')
  .map((cells) => [cells[0]!, (cells[7] ?? '').split(' ').filter(Boolean)] as const);

/** As the bus shows them: 0000:0a:00.0, all with the driver; the class of a 3D controller. */
const busOf = (text: string): string =>
  (understand(text)?.picture.gpus ?? [])
    .flatMap(({ busId }) => (busId ? [`${busId.slice(4).toLowerCase()} 0x2335 0x030200 nvidia`] : []))
    .join('\n');

describe.skipIf(!present)('the shared recordings', () => {
  it.each(outputs)('%s', (file, faults) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const ids = failed(gpu({ 'gpu.query': text, 'host.pci': busOf(text) }))
      .filter((id) => id.startsWith('gpu-1:gpu.') && id !== 'gpu-1:gpu.count')
      .map((id) => id.slice('gpu-1:'.length));
    expect(ids.sort()).toEqual([...faults].sort());
    for (const id of ids) expect(doctorIds).toContain(id);
  });
});

it('without them the host is well', () => {
  expect(failed(cluster())).toEqual([]);
});
