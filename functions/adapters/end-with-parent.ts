/** A child that must not outlive who asked: the kernel ends it when its parent dies, whatever way it dies. */

const PR_SET_PDEATHSIG = 1
const SIGKILL = 9

/** The parent may have died before the kernel was asked; orphans are init's, or a subreaper's. */
export async function endWithParent(parent: number): Promise<void> {
  // Only the child asks the kernel: who starts it may live where there is no native module.
  const { default: koffi } = await import('koffi')
  const prctl = koffi.load('libc.so.6').func('int prctl(int option, unsigned long value)')
  prctl(PR_SET_PDEATHSIG, SIGKILL)
  if (process.ppid !== parent) process.exit(1)
}
