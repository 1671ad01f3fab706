/** NVIDIA's devices on the PCI bus, as /sys shows them: this works without a driver and without lspci. */
import { deviceNames } from './gpu-names.js';
import { busId, known } from './values.js';

export interface PciDevice {
  readonly busId: string;
  /** Device id, '2330'. */
  readonly id: string;
  readonly kind: 'gpu' | 'switch' | 'other';
  readonly name?: string;
  /** The kernel driver that holds it: 'nvidia', 'nouveau', 'vfio-pci'. */
  readonly driver?: string;
}

/** One line a device of vendor 10de: bus id, device, class, driver ('-' for none). */
export const pciScript = `[ -d /sys/bus/pci/devices ] || exit 3
for d in /sys/bus/pci/devices/*; do
  [ "$(cat "$d/vendor" 2>/dev/null)" = 0x10de ] || continue
  driver=-
  [ -e "$d/driver" ] && driver=$(readlink "$d/driver") && driver=\${driver##*/}
  echo "\${d##*/} $(cat "$d/device") $(cat "$d/class") $driver"
done
exit 0`;

/** PCI class 03xxxx is a display or 3D controller, 0680xx a bridge of another kind: an NVSwitch. */
const kindOf = (pciClass: string): PciDevice['kind'] =>
  /^0x03/.test(pciClass) ? 'gpu' : /^0x0680/.test(pciClass) ? 'switch' : 'other';

export function readPciDevices(stdout: string): PciDevice[] {
  return stdout.split('\n').flatMap((line) => {
    const [, bus, device, pciClass, driver] = /^(\S+) 0x([0-9a-f]{4}) (0x[0-9a-f]+) (\S+)$/i.exec(line.trim()) ?? [];
    const id = device?.toUpperCase() ?? '';
    const at = busId(bus);
    if (!at) return [];
    const optional = known({ name: deviceNames[id], driver: driver === '-' ? undefined : driver });
    return [{ busId: at, id, kind: kindOf(pciClass!), ...optional }];
  });
}
