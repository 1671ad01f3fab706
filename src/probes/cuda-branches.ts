/**
 * The CUDA that a driver branch carries, as its nvidia-smi prints it. Sources: "CUDA Toolkit and Corresponding Driver
 * Versions" in the CUDA Toolkit release notes (9.0 to 13.3), and the headers of drivers 590 to 615 themselves. R430's
 * first releases printed 10.2; the later ones print 10.1.
 */
const byBranch: Readonly<Record<number, string>> = {
  384: '9.0',
  390: '9.1',
  396: '9.2',
  410: '10.0',
  418: '10.1',
  430: '10.1',
  435: '10.1',
  440: '10.2',
  450: '11.0',
  455: '11.1',
  460: '11.2',
  465: '11.3',
  470: '11.4',
  495: '11.5',
  510: '11.6',
  515: '11.7',
  520: '11.8',
  525: '12.0',
  530: '12.1',
  535: '12.2',
  545: '12.3',
  550: '12.4',
  555: '12.5',
  560: '12.6',
  565: '12.7',
  570: '12.8',
  575: '12.9',
  580: '13.0',
  590: '13.1',
  595: '13.2',
  610: '13.3',
  615: '13.4',
};

/** Windows numbers its drivers within a branch (536.40 is R535); five numbers make a branch at the most. */
const branchSpan = 5;

/** Undefined for a branch that is not in the table: newer drivers may carry anything. */
export function cudaOfDriver(driver: string): string | undefined {
  const major = Number.parseInt(driver, 10);
  const branch = Object.keys(byBranch)
    .map(Number)
    .filter((known) => known <= major && major - known < branchSpan)
    .at(-1);
  return branch === undefined ? undefined : byBranch[branch];
}
