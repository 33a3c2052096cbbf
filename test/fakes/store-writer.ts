/** Writes to a store until it is killed: argv = directory, create | replace. Says each write when it is durable. */
import { openFsStore } from '../../functions/adapters/fs-store.ts'

const [directory = '', kind = ''] = process.argv.slice(2)
const store = await openFsStore(directory)
let version = (await store.get('pointer', 1_000_000))?.version
for (let number = 0; ; number++) {
  const bytes = Buffer.alloc(100_000, `${process.pid}-${number};`)
  if (kind === 'create') await store.create(`blobs/${process.pid}-${number}`, bytes)
  else version = await store.replace('pointer', bytes, version)
  process.stdout.write(`${number}\n`)
}
