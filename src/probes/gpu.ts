/**
 * The one typed picture that every form of GPU output is read into. What a form does not say is absent, never 0:
 * utilization in percent, temperatures in degrees Celsius, power in watts.
 */
export interface GpuPicture {
  /** Of the kernel-mode driver, '580.105.08'. */
  readonly driver?: string;
  /** Of the user-space library (NVML), where it is printed apart. */
  readonly library?: string;
  /** The highest CUDA that the driver carries, '13.0'. */
  readonly cuda?: string;
  /** `cuda` was not printed but taken from the driver's branch. */
  readonly cudaDerived?: true;
  /** How many GPUs the driver says are attached; more than `gpus` when only some were asked for. */
  readonly attached?: number;
  readonly gpus: readonly Gpu[];
  readonly topology?: Topology;
}

export interface Gpu {
  /** nvidia-smi's number: the order of the PCI bus. */
  readonly index?: number;
  readonly uuid?: string;
  /** 'DDDDDDDD:BB:DD.F', upper case. */
  readonly busId?: string;
  readonly name?: string;
  /** The table had no room for the whole name. */
  readonly nameCut?: true;
  readonly brand?: string;
  readonly architecture?: string;
  /** '9.0' */
  readonly computeCapability?: string;
  /** What was taken from the name, because the form does not print it. */
  readonly derived?: readonly ('architecture' | 'computeCapability')[];
  readonly memory?: GpuMemory;
  readonly utilization?: { readonly gpu?: number; readonly memory?: number };
  readonly temperature?: { readonly gpu?: number; readonly memory?: number };
  readonly power?: { readonly draw?: number; readonly limit?: number };
  readonly fan?: number;
  /** 'P0' is the fastest. */
  readonly performanceState?: string;
  readonly ecc?: Ecc;
  readonly retiredPages?: { readonly singleBit?: number; readonly doubleBit?: number; readonly pending?: boolean };
  readonly remappedRows?: {
    readonly correctable?: number;
    readonly uncorrectable?: number;
    readonly pending?: boolean;
    readonly failure?: boolean;
  };
  readonly mig?: { readonly mode?: boolean; readonly pending?: boolean; readonly instances?: readonly MigInstance[] };
  readonly persistence?: boolean;
  readonly computeMode?: string;
  /** 'WDDM', 'TCC' or 'MCDM'; only on Windows. */
  readonly driverModel?: string;
  /** 'Pass-Through', 'VGPU', … */
  readonly virtualization?: string;
  /** Of a vGPU: 'Licensed (Expiry: …)', 'Unlicensed (Restricted)'. */
  readonly license?: string;
  readonly nvlink?: NvLink;
  readonly fabric?: Fabric;
  readonly pcie?: {
    readonly generation?: number;
    readonly generationMax?: number;
    readonly width?: number;
    readonly widthMax?: number;
  };
  /** Why the clocks are held down right now: 'HW Thermal Slowdown', 'SW Power Cap', … */
  readonly clockLimits?: readonly string[];
  /** 'None', 'Reset', 'Reboot', 'Drain P2P', 'Drain and Reset'. */
  readonly recoveryAction?: string;
  readonly resetRequired?: boolean;
  readonly drainRecommended?: boolean;
  /** The driver's verdict on the board's own store of identity and calibration. */
  readonly inforomValid?: boolean;
  readonly processes?: readonly GpuProcess[];
  /** Fields that answered with a failure: { fan: 'ERR!', memoryTotal: 'GPU is lost' }. */
  readonly unreadable?: Readonly<Record<string, string>>;
}

export interface GpuMemory {
  readonly totalMiB?: number;
  readonly usedMiB?: number;
  readonly freeMiB?: number;
  readonly reservedMiB?: number;
  /** CPU and GPU share one memory; the driver prints none, the host's is the figure. */
  readonly unified?: true;
}

export interface Ecc {
  readonly mode?: boolean;
  readonly pending?: boolean;
  /** Since the driver was loaded. */
  readonly volatile?: { readonly corrected?: number; readonly uncorrected?: number };
  /** Since the board was made. */
  readonly aggregate?: { readonly corrected?: number; readonly uncorrected?: number };
  /** SRAM errors passed the limit at which NVIDIA takes the board back. */
  readonly sramThresholdExceeded?: boolean;
  readonly repairPending?: boolean;
  readonly unrepairable?: boolean;
}

export interface MigInstance {
  readonly index?: number;
  readonly gpuInstance?: number;
  readonly computeInstance?: number;
  /** '3g.40gb', '1c.3g.71gb' */
  readonly profile?: string;
  readonly uuid?: string;
  readonly memory?: GpuMemory;
  readonly multiprocessors?: number;
  readonly placement?: { readonly start: number; readonly size: number };
}

export interface NvLink {
  readonly supported?: boolean;
  /** GB/s of each active link by its number. */
  readonly links?: Readonly<Record<number, number>>;
  /** Numbers of the links that are down. */
  readonly inactive?: readonly number[];
  readonly allInactive?: true;
}

export interface Fabric {
  /** 'Completed', 'In Progress', 'Not Started', 'Not Supported'. */
  readonly state?: string;
  readonly status?: string;
  readonly clique?: string;
  readonly cluster?: string;
  /** Named as the driver names them: 'summary', 'bandwidth', 'routeunhealthy', … */
  readonly health?: Readonly<Record<string, string>>;
}

export interface GpuProcess {
  readonly pid: number;
  /** 'C' computes, 'G' draws, 'M' is MPS. */
  readonly type?: string;
  /** The program alone, without its folder and its arguments. */
  readonly name?: string;
  readonly memoryMiB?: number;
  readonly gpuInstance?: number;
  readonly computeInstance?: number;
}

export interface Topology {
  /** 'GPU0', 'NIC1', 'mlx5_0', … as the matrix names them. */
  readonly devices: readonly string[];
  /** links[a][b]: 'NV18', 'PIX', 'PXB', 'PHB', 'NODE', 'SYS'; 'X' is the device itself. */
  readonly links: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** By GPU: '0-51,104-155'. */
  readonly cpuAffinity?: Readonly<Record<string, string>>;
  readonly numaAffinity?: Readonly<Record<string, string>>;
  /** { NIC0: 'mlx5_0' } */
  readonly nics?: Readonly<Record<string, string>>;
}

/** Something that the text itself reports as broken, named by the id of its diagnosis. */
export interface Trouble {
  readonly id: string;
  /** The line that says so. */
  readonly says: string;
  readonly gpu?: { readonly index?: number; readonly busId?: string; readonly uuid?: string };
  /** Figures for the diagnosis: versions, Xid numbers. */
  readonly detail?: Readonly<Record<string, string>>;
}

/** What one piece of output says. */
export interface Reading {
  readonly form: string;
  readonly driver?: string;
  readonly library?: string;
  readonly cuda?: string;
  readonly attached?: number;
  readonly gpus: readonly Gpu[];
  readonly topology?: Topology;
  readonly troubles?: readonly Trouble[];
  /** The output stops before its end. */
  readonly cut?: boolean;
}
