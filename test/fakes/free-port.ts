/** For servers that can't say which port they were given. */
import { once } from 'node:events'
import { createServer } from 'node:net'

/** On 127.0.0.1; nobody holds it for the caller. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
