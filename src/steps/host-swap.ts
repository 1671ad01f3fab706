/** No swap: kubelet refuses it, and a swapped engine is no engine. */
import { ours } from '../install/packages.js';
import { say } from '../say.js';
import { ask, asRoot, run } from './at-node.js';
import type { NodeStep } from './machine.js';

/**
 * Prints what swaps, or would after the next boot. By pattern: with `--type` systemd looks up the state of each of its
 * hundreds of units first, which took 0.65 s of processor.
 */
export const swapScript = `tail -n +2 /proc/swaps
awk '$1 !~ /^#/ && $3 == "swap"' /etc/fstab 2>/dev/null
systemctl list-unit-files '*.swap' --state enabled,generated --no-legend 2>/dev/null
exit 0`;

const mark = '#deepseek-deploy# ';
const units = `${ours}/swap-units`;

// $1: where the names of masked units are kept.
export const offScript = `set -eu
mkdir -p -m 700 "\${1%/*}"
systemctl list-units --type swap --all --plain --no-legend | awk '{print $1}' | while read -r unit; do
  grep -qxF -- "$unit" "$1" 2>/dev/null || echo "$unit" >>"$1"
done
swapoff -a
sed -i -E 's,^([^#[:space:]]\\S*\\s+\\S+\\s+swap\\s),${mark}\\1,' /etc/fstab
[ ! -s "$1" ] || xargs -r systemctl -q mask -- <"$1"
systemctl daemon-reload`;

export const onScript = `set -eu
sed -i 's,^${mark},,' /etc/fstab
[ ! -s "$1" ] || xargs -r systemctl -q unmask -- <"$1"
rm -f -- "$1"
systemctl daemon-reload
swapon -a`;

export const hostSwap: NodeStep = {
  id: 'host.swap',
  title: say('Swap off', '关闭 swap'),
  on: 'every',
  done: async (_, world) => (await ask(world, swapScript)).stdout.trim() === '',
  apply: async () => [run(asRoot(offScript, [units]))],
  undo: async (_, world) => ((await world.files.stat(units)) ? [run(asRoot(onScript, [units]))] : []),
};
