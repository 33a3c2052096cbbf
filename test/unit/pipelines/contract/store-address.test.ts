import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bucketAddress, readerAddress, writerAddress } from '../../../../pipelines/contract/store-address.ts'

const BUCKET = {
  kind: 's3',
  bucket: 'bucket',
  prefix: '',
  region: undefined,
  endpoint: undefined,
  credentials: undefined,
  lockDays: undefined,
  versioning: true,
}

describe('the address of an object store', () => {
  test('a directory, for who reads and for who writes', () => {
    const directory = { kind: 'directory', path: '/var/lib/heddle/store' }
    assert.deepEqual(readerAddress(directory.path), directory)
    assert.deepEqual(writerAddress(directory.path), directory)
  })

  test('a web address, to read from', () => {
    assert.deepEqual(readerAddress('https://cdn.example/fleet'), {
      kind: 'http',
      url: 'https://cdn.example/fleet',
    })
    assert.throws(() => writerAddress('https://cdn.example/fleet'), { code: 'schema-violation' })
  })

  const buckets: [string, object][] = [
    ['s3://bucket', {}],
    ['s3://bucket/', {}],
    ['s3://bucket/a/b', { prefix: 'a/b/' }],
    ['s3://bucket/a/b/', { prefix: 'a/b/' }],
    ['s3://bucket?region=eu-central-1', { region: 'eu-central-1' }],
    ['s3://bucket?endpoint=http://h:1', { endpoint: 'http://h:1', region: 'us-east-1' }],
    ['s3://bucket?endpoint=https%3A%2F%2Fh&region=x', { endpoint: 'https://h', region: 'x' }],
    ['s3://bucket?endpoint=http://[::1]:9', { endpoint: 'http://[::1]:9', region: 'us-east-1' }],
    ['s3://bucket?endpoint=unix:/run/s3.sock', { endpoint: 'unix:/run/s3.sock', region: 'us-east-1' }],
    ['s3://bucket?credentials=/etc/heddle/s3%25.json', { credentials: '/etc/heddle/s3%.json' }],
  ]
  for (const [text, fields] of buckets) {
    test(`${text} is a bucket to both`, () => {
      assert.deepEqual(readerAddress(text), { ...BUCKET, ...fields })
      assert.deepEqual(writerAddress(text), { ...BUCKET, ...fields })
      assert.deepEqual(bucketAddress(text), { ...BUCKET, ...fields })
    })
  }

  test('what a bucket must keep is said by who writes, and by nobody else', () => {
    const locked = 's3://bucket?lock-days=365'
    assert.deepEqual(writerAddress(locked), { ...BUCKET, lockDays: 365 })
    assert.deepEqual(writerAddress('s3://bucket?versioning=off'), { ...BUCKET, versioning: false })
    assert.deepEqual(writerAddress('s3://bucket?versioning=on'), BUCKET)
    assert.throws(() => readerAddress(locked), /lock-days is none of region, endpoint, credentials/)
  })

  const refused: [string, RegExp][] = [
    ['', /an absolute directory/],
    ['store', /an absolute directory/],
    ['ftp://host', /an absolute directory/],
    ['s3:bucket', /s3:\/\/bucket/],
    ['s3://', /s3:\/\/bucket/],
    ['s3://B', /s3:\/\/bucket/],
    ['s3://bucket#x', /s3:\/\/bucket/],
    ['s3://user@bucket', /s3:\/\/bucket/],
    ['s3://bucket/../x', /no prefix of keys/],
    ['s3://bucket//x', /no prefix of keys/],
    ['s3://bucket?regoin=x', /regoin is none of/],
    ['s3://bucket?region=x&region=y', /region is said twice/],
    ['s3://bucket?region=', /region is a name/],
    ['s3://bucket?endpoint=h:1', /endpoint is http/],
    ['s3://bucket?endpoint=http://h/path', /endpoint is http/],
    ['s3://bucket?credentials=file', /absolute path/],
    ['s3://bucket?credentials=/%zz', /a % is written %25/],
    ['s3://bucket?lock-days=0', /days from 1/],
    ['s3://bucket?lock-days=36501', /at most 36500/],
    ['s3://bucket?lock-days=1&versioning=off', /keeps versions/],
    ['s3://bucket?versioning=maybe', /on or off/],
  ]
  for (const [text, why] of refused) {
    test(`${JSON.stringify(text)} is refused, and what to write is said`, () => {
      assert.throws(
        () => writerAddress(text),
        (error: Error & { code?: string }) => error.code === 'schema-violation' && why.test(error.message),
      )
    })
  }
})
