/** What a bundle is, in words and in JSON. */
import type { Manifest } from '../bundle/manifest.js';
import { weightsBytes } from '../bundle/weights.js';
import { bytesText } from '../models/progress.js';
import { say } from '../say.js';
import { table } from '../table.js';
import type { World } from '../world.js';

const sizeOf = ({ files }: Manifest, folder: string): number =>
  files.filter(({ path }) => path.startsWith(folder)).reduce((sum, { bytes }) => sum + bytes, 0);

export const summaryOf = (manifest: Manifest) => ({
  format: manifest.format,
  createdAt: manifest.createdAt,
  target: manifest.target,
  ...(manifest.kubernetes === undefined ? {} : { kubernetes: manifest.kubernetes }),
  systems: manifest.systems.map(({ id, packages }) => ({
    id,
    packages: packages.length,
    bytes: sizeOf(manifest, `packages/${id}/`),
  })),
  images: { count: manifest.images.length, bytes: sizeOf(manifest, 'images/') },
  manifests: manifest.files.filter(({ path }) => path.startsWith('manifests/')).length,
  weights: manifest.weights.map((one) => ({
    ...{ id: one.id, form: one.form, from: one.from },
    files: one.files.length,
    bytes: weightsBytes([one]),
  })),
});

export function show(file: string, manifest: Manifest, key: string, world: World): void {
  const { ui } = world;
  const { target, kubernetes, systems: all, images, weights, createdAt } = summaryOf(manifest);
  const rows = [
    [ui.text(say('file', '文件')), file],
    [ui.text(say('target', '目标')), target],
    ...(kubernetes === undefined ? [] : [['Kubernetes', kubernetes]]),
    ...all.map(({ id, packages, bytes }) => [
      id,
      ui.text(say(`${packages} packages`, `${packages} 个软件包`)),
      bytesText(bytes),
    ]),
    ...(images.count > 0 ? [[ui.text(say('images', '镜像')), String(images.count), bytesText(images.bytes)]] : []),
    ...weights.map(({ id, files, bytes }) => [
      id,
      ui.text(say(`${files} files beside it`, `${files} 个文件（位于其旁）`)),
      bytesText(bytes),
    ]),
    [ui.text(say('made', '制作时间')), createdAt],
    [ui.text(say('signed by', '签名密钥')), key],
  ];
  for (const line of table(rows, [], '  ')) ui.line(line);
}
