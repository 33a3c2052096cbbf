/** Ask the load client over its unix socket. */
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { type ClientCommand, ClientStats, type LaneStats } from './client-contract.ts'

/** One command, one line back. Rejects when the client is not there. */
export function askClient(socket: string, command: ClientCommand): Promise<LaneStats[]> {
  return new Promise((resolve, reject) => {
    const peer = createConnection(socket)
    peer.on('error', reject)
    createInterface({ input: peer }).once('line', (line) => {
      peer.destroy()
      resolve(ClientStats.parse(JSON.parse(line)))
    })
    peer.write(`${command}\n`)
  })
}
