/** Publishes target after target until it is killed: argv = store, root, online keys, name. Says each when it is done. */
import { readFile } from 'node:fs/promises'
import { openOnlineKeys } from '../../functions/adapters/dev-keys.ts'
import { Repository } from '../../functions/trust/repository.ts'
import { openStore } from '../../infra/store/open-store.ts'
import { systemClock } from '../fakes/keys.ts'

const [address = '', root = '', online = '', name = ''] = process.argv.slice(2)
const [keys, trustedRoot] = [await openOnlineKeys(online), await readFile(root)]
const store = await openStore(address, systemClock)
const repository = new Repository({ store, keys, clock: systemClock, trustedRoot })
for (let number = 0; ; number++) {
  const path = `policy/${name}-${number}.json`
  await repository.update(() => ({ policy: { put: [{ path, bytes: Buffer.from(`${name}-${number}`) }] } }))
  process.stdout.write(`${name}-${number}\n`)
}
