/** The reasons of the report, for people. */
import { say, type Text } from '../say.js';
import type { Exit, Reason } from './report.js';

/** One sentence on why a process is not ready or was restarted last. */
export function sentence(id: string, { kind, detail = '' }: Reason, last: Exit | undefined): Text {
  switch (kind) {
    case 'exit':
      return ended(id, last);
    case 'spawn':
      return say(`${id} could not be started: ${detail}`, `${id} 无法启动：${detail}`);
    case 'unready':
      return say(`${id} did not become ready in time (${detail}).`, `${id} 未能按时就绪（${detail}）。`);
    case 'unhealthy':
      return say(`${id} runs but does not answer (${detail}).`, `${id} 在运行，但没有正常应答（${detail}）。`);
    case 'waits':
      return say(`${id} waits for ${detail} to be ready.`, `${id} 正在等待 ${detail} 就绪。`);
    case 'left':
      return say(`What is left of ${id} cannot be ended (${detail}).`, `${id} 的残留进程无法结束（${detail}）。`);
  }
}

function ended(id: string, last: Exit | undefined): Text {
  if (last?.signal === 'SIGKILL') {
    return say(
      `${id} was killed (SIGKILL): by somebody, or by the kernel for want of memory.`,
      `${id} 被强制终止（SIGKILL）：可能是人为操作，也可能是内存不足被内核终止。`,
    );
  }
  if (last?.signal !== undefined) return say(`${id} ended by ${last.signal}.`, `${id} 因信号 ${last.signal} 退出。`);
  if (last?.code === 127) return say(`${id}: its program was not found.`, `${id}：找不到可执行程序。`);
  if (last?.code !== undefined)
    return say(`${id} ended with status ${last.code}.`, `${id} 退出，状态码 ${last.code}。`);
  return say(`${id} ended.`, `${id} 已退出。`);
}
