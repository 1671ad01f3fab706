/** What a product name and a PCI id say by themselves. */

export interface Family {
  readonly architecture: string;
  readonly computeCapability: string;
}

/**
 * First match wins. Source: NVIDIA's "CUDA GPU Compute Capability" page (developer.nvidia.com/cuda-gpus); the
 * architecture is named as nvidia-smi names it.
 */
const families: readonly (readonly [RegExp, string, string])[] = [
  [/\bG?B300\b/, 'Blackwell', '10.3'],
  [/\bG?B[12]00A?\b/, 'Blackwell', '10.0'],
  [/\bGB10\b/, 'Blackwell', '12.1'],
  [/\bRTX PRO \d{3,4}\b|\bRTX 6000D\b|\bRTX 50[5-9]0\b/, 'Blackwell', '12.0'],
  [/\bG?H(?:100|200|800|20)\b/, 'Hopper', '9.0'],
  [/\bL(?:40S?|20|4|2)\b|\bAda\b|\bRTX 40[5-9]0\b/, 'Ada Lovelace', '8.9'],
  [/\bA(?:100X?|800|30X?)\b|\bPG50[69]\b/, 'Ampere', '8.0'],
  [/\bA(?:10G?|10M|16|2|40)\b|\bRTX A\d{3,4}\b|\bRTX 30[5-9]0\b|\bRTX 2050\b/, 'Ampere', '8.6'],
  [/\bOrin\b/, 'Ampere', '8.7'],
  [
    /\bT4G?\b|\bT(?:400|600|1000|1200)\b|\bRTX 20[6-8]0\b|\bGTX 16[5-6]0\b|\bQuadro (?:RTX|T)\b|\bQuadro RTX \d|\bTITAN RTX\b/,
    'Turing',
    '7.5',
  ],
  [/\bV100S?\b|\bTITAN V\b|\bGV100\b/, 'Volta', '7.0'],
  [/\b(?:P100|GP100)\b/, 'Pascal', '6.0'],
  [/\bP(?:4|6|40)\b|\bGTX 10[1-8]0\b|\bQuadro P\d{3,4}\b|\bTITAN Xp?\b/, 'Pascal', '6.1'],
  [/\bM(?:4|6|10|40|60)\b|\bGTX 9[5-8]0\b|\bQuadro M\d{3,4}\b/, 'Maxwell', '5.2'],
  [/\bK80\b/, 'Kepler', '3.7'],
  [/\bK(?:20|40)[cmxst]*\b/, 'Kepler', '3.5'],
];

export function familyOf(name: string): Family | undefined {
  const found = families.find(([match]) => match.test(name));
  return found && { architecture: found[1], computeCapability: found[2] };
}

/**
 * Boards that live on an NVSwitch baseboard or are otherwise built to be used over NVLink: their links are down only
 * when something is wrong. PCIe cards may carry a bridge or not.
 */
export const needsNvLink = (name: string): boolean =>
  /\bSXM\d?\b|\bHBM3\b|\bG?B[123]00\b|\bH(?:20|200|800)\b/.test(name) && !/\bNVL\b|\bPCIe\b|\bPCIE\b/.test(name);

/** Devices of NVIDIA's by PCI id, the data centre's cards first: what a machine holds before it has a driver. */
export const deviceNames: Readonly<Record<string, string>> = {
  '15F8': 'Tesla P100-PCIE-16GB',
  '15F9': 'Tesla P100-SXM2-16GB',
  '1B38': 'Tesla P40',
  '1BB3': 'Tesla P4',
  '1DB1': 'Tesla V100-SXM2-16GB',
  '1DB4': 'Tesla V100-PCIE-16GB',
  '1DB5': 'Tesla V100-SXM2-32GB',
  '1DB6': 'Tesla V100-PCIE-32GB',
  '1DB8': 'Tesla V100-SXM3-32GB',
  '1EB8': 'Tesla T4',
  '20B0': 'NVIDIA A100-SXM4-40GB',
  '20B2': 'NVIDIA A100-SXM4-80GB',
  '20B3': 'NVIDIA A100-SXM-64GB',
  '20B5': 'NVIDIA A100 80GB PCIe',
  '20B7': 'NVIDIA A30',
  '20BD': 'NVIDIA A800-SXM4-40GB',
  '20F1': 'NVIDIA A100-PCIE-40GB',
  '20F3': 'NVIDIA A800-SXM4-80GB',
  '20F5': 'NVIDIA A800 80GB PCIe',
  '20F6': 'NVIDIA A800 40GB Active',
  '2204': 'NVIDIA GeForce RTX 3090',
  '2230': 'NVIDIA RTX A6000',
  '2235': 'NVIDIA A40',
  '2236': 'NVIDIA A10',
  '2237': 'NVIDIA A10G',
  '230E': 'NVIDIA H20 NVL16',
  '2321': 'NVIDIA H100 NVL',
  '2322': 'NVIDIA H800 PCIe',
  '2324': 'NVIDIA H800',
  '2329': 'NVIDIA H20',
  '232C': 'NVIDIA H20-3e',
  '2330': 'NVIDIA H100 80GB HBM3',
  '2331': 'NVIDIA H100 PCIe',
  '2335': 'NVIDIA H200',
  '2339': 'NVIDIA H100',
  '233A': 'NVIDIA H800 NVL',
  '233B': 'NVIDIA H200 NVL',
  '2348': 'NVIDIA GH200 144G HBM3e',
  '25B6': 'NVIDIA A2',
  '2684': 'NVIDIA GeForce RTX 4090',
  '26B1': 'NVIDIA RTX 6000 Ada Generation',
  '26B5': 'NVIDIA L40',
  '26B9': 'NVIDIA L40S',
  '26BA': 'NVIDIA L20',
  '27B6': 'NVIDIA L2',
  '27B8': 'NVIDIA L4',
  '2901': 'NVIDIA B200',
  '2941': 'NVIDIA GB200',
  '2B85': 'NVIDIA GeForce RTX 5090',
  '2BB1': 'NVIDIA RTX PRO 6000 Blackwell Workstation Edition',
  '2BB5': 'NVIDIA RTX PRO 6000 Blackwell Server Edition',
  '2E12': 'NVIDIA GB10',
  '3182': 'NVIDIA B300 SXM6 AC',
  '31C2': 'NVIDIA GB300',
};
