/** Where Debian puts nginx, nats-server and bpftool: not on the PATH of a plain user, nor of root after `su`. */
const SBIN = ['/usr/sbin', '/sbin']

/** Lets this process and those that it starts find commands there too. */
export function searchSbin(environment: NodeJS.ProcessEnv = process.env): void {
  const path = environment['PATH'] ?? ''
  const missing = SBIN.filter((folder) => !path.split(':').includes(folder))
  environment['PATH'] = [path, ...missing].join(':')
}
