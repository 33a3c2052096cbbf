/**
 * Node's own server, and what stands behind the proxies: files by GET …/f/NAME, the SHA-256 of what
 * was sent by POST …/post.
 *
 * node origin.js HOST PORT FILES   HOST `unix`: PORT is a path
 */
import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename, join } from 'node:path'

const [host = '', port = '', files = ''] = process.argv.slice(2)

const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  if (request.method === 'POST') {
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
