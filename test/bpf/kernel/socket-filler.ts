/**
 * Puts sockets into a sockhash, as many as a process may hold, until it is told to
 * end: a map takes a socket once. Unix datagram sockets need no name and disturb nobody.
 *
 * node socket-filler.js PINNED_MAP FIRST_KEY SOCKETS   prints "full" when done
 */
import koffi from 'koffi'
import { BpfMap, u64 } from '../../../agent/adapters/libbpf.ts'

const [path = '', first = '', sockets = ''] = process.argv.slice(2)
const AF_UNIX = 1
const SOCK_DGRAM = 2
const openSocket = koffi.load('libc.so.6').func('int socket(int domain, int type, int protocol)')
const map = BpfMap.pinned(path)
for (let i = 0; i < Number(sockets); i++)
  map.update(u64(BigInt(first) + BigInt(i)), u64(openSocket(AF_UNIX, SOCK_DGRAM, 0) as number))
process.stdout.write('full\n')
process.stdin.resume().on('end', () => process.exit(0))
