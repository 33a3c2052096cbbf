/**
 * Listening sockets that somebody else holds, so that nobody is refused while a relay is exchanged for
 * another: systemd's socket activation (sd_listen_fds(3)), or anybody who speaks it.
 */

/** Descriptors that are passed begin here. */
const FIRST_FD = 3
/** One for each loopback. */
const MAX_FDS = 2

/** `LISTEN_PID` names whom they are for; without it, as where no supervisor forks, they are ours. */
export function inheritedListeners(env: NodeJS.ProcessEnv, pid: number): number[] {
  const { LISTEN_FDS: count, LISTEN_PID: whose } = env
  if (count === undefined || !/^[12]$/.test(count)) return []
  if (whose !== undefined && whose !== String(pid)) return []
  return Array.from({ length: Math.min(MAX_FDS, Number(count)) }, (_, i) => FIRST_FD + i)
}
