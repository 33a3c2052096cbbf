import assert from 'node:assert/strict'
import { test } from 'node:test'
import { searchSbin } from '../../../../infra/local/sbin.ts'

const table: [string, string][] = [
  ['/usr/bin:/bin', '/usr/bin:/bin:/usr/sbin:/sbin'],
  ['/usr/sbin:/usr/bin', '/usr/sbin:/usr/bin:/sbin'],
  ['/bin:/sbin:/usr/sbin', '/bin:/sbin:/usr/sbin'],
]
for (const [before, after] of table) {
  test(`commands are searched for in ${after}`, () => {
    const environment = { PATH: before }
    searchSbin(environment)
    assert.equal(environment.PATH, after)
  })
}
