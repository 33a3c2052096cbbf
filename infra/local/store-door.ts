/**
 * `store-door.js SOCKET HOST PORT`: a unix socket that leads to a port inside of the namespace that it runs in. So
 * commands on the machine reach a stack's object store, whose network the machine has no part in.
 */
import { connect, createServer } from 'node:net'

const [socket = '', host = '', port = ''] = process.argv.slice(2)
createServer((client) => {
  const server = connect(Number(port), host)
  // Whoever ends, ends both: nobody here knows what was said.
  client.on('error', () => server.destroy()).on('close', () => server.destroy())
  server.on('error', () => client.destroy()).on('close', () => client.destroy())
  client.pipe(server).pipe(client)
}).listen(socket)
