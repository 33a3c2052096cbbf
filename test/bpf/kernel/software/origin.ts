/**
 * Node's own server, and what stands behind the proxies: files by GET …/f/NAME, the SHA-256 of what
 * was sent by POST …/post, and by POST …/late, which is not read for a while.
 *
 * node origin.js HOST PORT FILES   HOST `unix`: PORT is a path
 */
import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'

const [host = '', port = '', files = ''] = process.argv.slice(2)

/** Milliseconds; all buffers on the way are full by then. */
const LATE = 2_000

const server = createServer({ keepAliveTimeout: 600_000 }, async (request, response) => {
  if (request.method === 'POST') {
    if (request.url?.endsWith('/late')) await new Promise((resolve) => setTimeout(resolve, LATE))
    const hash = createHash('sha256')
    request.on('data', (bytes) => hash.update(bytes))
    request.on('end', () => response.end(hash.digest('hex')))
    return
  }
  const path = join(files, basename(request.url ?? ''))
  response.setHeader('Content-Length', statSync(path).size)
  createReadStream(path).pipe(response)
})
server.listen({ backlog: 4096, ...(host === 'unix' ? { path: port } : { host, port: Number(port) }) })
