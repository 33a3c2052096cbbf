/** A lane's network: one veth pair, this process at one end, the service at the other. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { Family } from './cases.ts'

const LINK = 'lane0'
export const PEER_LINK = 'lane1'
export const SERVER_ADDRESSES = ['10.77.0.1/24', 'fd77::1/64']
const CLIENT_ADDRESSES = ['10.77.0.2/24', '10.77.0.3/24', 'fd77::2/64', 'fd77::3/64']

export type Listener = { host: string; port: number; ipv6Only?: boolean }
export const LISTENERS: Listener[] = [
  { host: '10.77.0.1', port: 8080 },
  { host: 'fd77::1', port: 8080, ipv6Only: true },
  { host: '::', port: 8081 },
]

/** Where to connect, from a peer that a policy selects, and from one that none does. */
export const WAYS: Record<Family, { host: string; port: number; peer: string; stranger: string }> = {
  IPv4: { host: '10.77.0.1', port: 8080, peer: '10.77.0.2', stranger: '10.77.0.3' },
  IPv6: { host: 'fd77::1', port: 8080, peer: 'fd77::2', stranger: 'fd77::3' },
  'IPv4 on a dual-stack listener': {
    host: '10.77.0.1',
    port: 8081,
    peer: '10.77.0.2',
    stranger: '10.77.0.3',
  },
}

export type Service = {
  /** Requests that came from a client port, in order. */
  taken(port: number): Promise<string[]>
  stop(): void
}

type Said = { joined?: true; ready?: true; taken?: number; requests?: string[] }

async function said(child: ChildProcess, wanted: (message: Said) => boolean): Promise<Said> {
  const listening = new AbortController()
  const { signal } = listening
  try {
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`the service ended with ${code}`)
    })
    ended.catch(() => {}) // also when it is given up below
    for (;;) {
      const [message] = (await Promise.race([once(child, 'message', { signal }), ended])) as [Said]
      if (wanted(message)) return message
    }
  } finally {
    listening.abort()
  }
}

/** Start the service in `cgroup`, in a namespace of its own, and lay the link to it. */
export async function startService(cgroup: string): Promise<Service> {
  const server = fileURLToPath(new URL('server.js', import.meta.url))
  const child = spawn('unshare', ['--net', process.execPath, server, cgroup], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  await said(child, (message) => message.joined === true)
  await execa('ip', ['link', 'set', 'lo', 'up'])
  const pair = ['type', 'veth', 'peer', 'name', PEER_LINK, 'netns', String(child.pid)]
  await execa('ip', ['link', 'add', LINK, ...pair])
  for (const address of CLIENT_ADDRESSES)
    await execa('ip', ['addr', 'add', address, 'dev', LINK, ...(address.includes(':') ? ['nodad'] : [])])
  await execa('ip', ['link', 'set', LINK, 'up'])
  child.send({ network: true })
  await said(child, (message) => message.ready === true)
  return {
    taken: async (port) => {
      child.send({ taken: port })
      return (await said(child, (message) => message.taken === port)).requests ?? []
    },
    stop: () => void child.kill('SIGKILL'),
  }
}
