/** The questions of `init`, each with a good default; asked only where the flags and the file are silent. */
import { catalogue } from '../models/catalogue.js';
import { usualModel } from '../models/name.js';
import { type Servable, servable } from '../models/servable.js';
import { say } from '../say.js';
import type { Choice, World } from '../world.js';
import type { Wish } from './decide.js';

export interface Answers {
  readonly model?: string;
  readonly modelFile?: string;
  readonly port?: number;
}

const ownFile = 'a file';

const choice = ({ model, why }: Servable): Choice<string> => ({
  value: model.id,
  name: say(model.title, model.title),
  note: why,
});

async function askModel(wish: Wish, memoryBytes: number, world: World): Promise<Answers> {
  const fitting = servable(catalogue, { memoryBytes }, wish.config.engine).filter(({ fits }) => fits);
  const usual = fitting.some(({ model }) => model.id === usualModel) ? usualModel : 'demo';
  const own: Choice<string> = {
    value: ownFile,
    name: say('A GGUF file of my own', '自备的 GGUF 文件'),
    note: say('llama.cpp serves it as it is', '由 llama.cpp 直接加载'),
  };
  const picked = await world.ui.select(say('Which model?', '选择哪个模型？'), [...fitting.map(choice), own], usual);
  if (picked !== ownFile) return { model: picked };
  return { modelFile: await world.ui.input(say('Path of the file', '文件路径'), '') };
}

async function askPort(wish: Wish, world: World): Promise<Answers> {
  const { host, port } = wish.config.gateway;
  let free = port;
  while (!(await world.processes.portFree(host, free))) free += 1;
  const wrong = say('A port is a number from 1 to 65535.', '端口是 1 到 65535 之间的数字。');
  const isPort = (text: string): boolean => /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
  const typed = await world.ui.input(say('Port of the API', 'API 端口'), String(free), (text) =>
    isPort(text) ? undefined : wrong,
  );
  return { port: Number(typed) };
}

/** @param memoryBytes what one process may use here */
export async function guide(wish: Wish, memoryBytes: number, world: World): Promise<Answers> {
  const model = wish.modelGiven ? {} : await askModel(wish, memoryBytes, world);
  const port = wish.portGiven ? {} : await askPort(wish, world);
  return { ...model, ...port };
}
