/** Signed notes, keys, checkpoints and proofs as text: what is taken, and what is refused. */
import assert from 'node:assert/strict'
import { createHash, verify } from 'node:crypto'
import { describe, it } from 'node:test'
import { publicKeyObject } from '../../../../functions/trust/keys.ts'
import { formatProof, type Log, parseProof, readCheckpoint } from '../../../../pipelines/log/checkpoint.ts'
import {
  formatKey,
  formatNote,
  keyId,
  type NoteKey,
  parseKey,
  parseNote,
  signersOf,
} from '../../../../pipelines/log/signed-note.ts'
import { formatBundle, parseBundle, tileAt, tilePath } from '../../../../pipelines/log/tiles.ts'
import { memorySigner } from '../../../../functions/adapters/dev-keys.ts'
import { generateKeyPairSync } from 'node:crypto'

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())
const crypto = {
  sha256,
  verify: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
    verify(null, message, publicKeyObject(key), signature),
}
/** The example of https://c2sp.org/signed-note ("Verifier keys"). */
const EXAMPLE_KEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const EXAMPLE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`

const signer = memorySigner(generateKeyPairSync('ed25519').privateKey)
const key: NoteKey = { name: 'log.example/a', publicKey: signer.publicKey }
const log: Log = { origin: key.name, keys: [key], ...crypto }
const ROOT = Buffer.alloc(32, 7).toString('base64')

async function signed(text: string, by = key): Promise<string> {
  const signature = await signer.sign(Buffer.from(text))
  return formatNote({ text, signatures: [{ name: by.name, keyId: keyId(sha256, by), signature }] })
}

describe('signed note', () => {
  it('the example of the specification is read, and verified by its key', () => {
    const known = parseKey(sha256, EXAMPLE_KEY)
    const note = parseNote(EXAMPLE)
    assert.ok(known && note)
    assert.equal(note.text, 'This is an example message.\n')
    assert.deepEqual(signersOf(note, [known], crypto), [known])
    assert.equal(formatNote(note), EXAMPLE)
    assert.equal(formatKey(sha256, known), EXAMPLE_KEY)
  })

  it('a text may have empty lines: the last one parts it from the signatures', async () => {
    const text = 'one\n\ntwo\n'
    const note = parseNote(await signed(text))
    assert.equal(note?.text, text)
    assert.deepEqual(note && signersOf(note, [key], crypto), [key])
  })

  it('a signature of a known key that does not hold makes all of it void; those of others say nothing', async () => {
    const note = parseNote(await signed('text\n'))
    const [own] = note?.signatures ?? []
    assert.ok(note && own)
    const stranger = { ...own, name: 'log.example/b' }
    const bad = { ...own, signature: own.signature.map((byte) => byte ^ 1) }
    assert.deepEqual(signersOf({ ...note, signatures: [stranger, own] }, [key], crypto), [key])
    assert.deepEqual(signersOf({ ...note, signatures: [own, own] }, [key], crypto), [key])
    assert.deepEqual(signersOf({ ...note, signatures: [own, bad] }, [key], crypto), [])
    assert.deepEqual(signersOf({ ...note, signatures: [stranger] }, [key], crypto), [])
    assert.deepEqual(signersOf({ ...note, text: 'other\n' }, [key], crypto), [])
  })

  const line = EXAMPLE.split('\n')[2] as string
  const broken: [string, string][] = [
    ['no line end', EXAMPLE.slice(0, -1)],
    ['no signature', 'text\n\n'],
    ['no empty line', `text\n${line}\n`],
    ['a control character', EXAMPLE.replace('example message', 'example\tmessage')],
    ['half of a pair', EXAMPLE.replace('example message', '\ud800')],
    ['a hyphen for the dash', EXAMPLE.replace('—', '-')],
    ['a name with a plus', EXAMPLE.replace('example.com/foo', 'example.com+foo')],
    ['base64 without its end', EXAMPLE.replace('yaQM=', 'yaQM')],
    ['a signature of four bytes', EXAMPLE.replace(/Uw2Q\S+/, 'Uw2QOg==')],
    ['seventeen signatures', `text\n\n${`${line}\n`.repeat(17)}`],
    ['more than a note has', `${'x'.repeat(20_000)}\n\n${line}\n`],
  ]
  for (const [why, note] of broken)
    it(`refused: ${why}`, () => {
      assert.equal(parseNote(note), undefined)
    })

  it('a key whose number is not its own, or of another kind, is none', () => {
    assert.equal(parseKey(sha256, EXAMPLE_KEY.replace('530d903a', '530d903b')), undefined)
    assert.equal(parseKey(sha256, EXAMPLE_KEY.replace('AekyeRr', 'BOkyeRr')), undefined)
    assert.equal(parseKey(sha256, EXAMPLE_KEY.slice(0, -4)), undefined)
    assert.equal(parseKey(sha256, 'name'), undefined)
  })
})

describe('checkpoint', () => {
  it('is read where its log signed it', async () => {
    const read = readCheckpoint(await signed(`${key.name}\n12\n${ROOT}\n`), log)
    assert.deepEqual(read, {
      origin: key.name,
      size: 12,
      root: new Uint8Array(Buffer.from(ROOT, 'base64')),
    })
  })

  const refused: [string, string][] = [
    ['another origin', `log.example/b\n12\n${ROOT}\n`],
    ['a leading zero', `${key.name}\n012\n${ROOT}\n`],
    ['a size that no number has exactly', `${key.name}\n9007199254740993\n${ROOT}\n`],
    ['a short root', `${key.name}\n12\n${ROOT.slice(4)}\n`],
    ['an extension', `${key.name}\n12\n${ROOT}\nmore\n`],
    ['no root', `${key.name}\n12\n`],
  ]
  for (const [why, text] of refused)
    it(`refused: ${why}`, async () => {
      assert.equal(readCheckpoint(await signed(text), log), undefined)
    })

  it('refused: signed by nobody known', async () => {
    const text = `${key.name}\n12\n${ROOT}\n`
    const other = { ...key, publicKey: Buffer.alloc(32, 9) }
    assert.equal(readCheckpoint(await signed(text, other), log), undefined)
  })
})

describe('proof', () => {
  const hashes = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const proof = { index: 3, hashes, checkpoint: EXAMPLE }

  it('is read as it was written, with or without extra', () => {
    const text = formatProof(proof)
    assert.deepEqual(parseProof(text), proof)
    assert.deepEqual(parseProof(text.replace('\nindex', '\nextra AAAA\nindex')), proof)
    assert.deepEqual(parseProof(formatProof({ ...proof, index: 0, hashes: [] })), {
      ...proof,
      index: 0,
      hashes: [],
    })
  })

  const text = formatProof(proof)
  const broken: [string, string][] = [
    ['another head', text.replace('@v1', '@v2')],
    ['no index', text.replace('index 3\n', '')],
    ['a leading zero', text.replace('index 3', 'index 03')],
    ['a short hash', text.replace(/AQEB\S+/, 'AQEB')],
    ['no checkpoint', text.split('\n\n')[0] as string],
    ['54 hashes', formatProof({ ...proof, hashes: Array.from({ length: 54 }, () => new Uint8Array(32)) })],
  ]
  for (const [why, bad] of broken)
    it(`refused: ${why}`, () => {
      assert.equal(parseProof(bad), undefined)
    })
})

describe('tiles', () => {
  it('have the names of the specification', () => {
    assert.equal(tilePath({ level: 0, index: 1_234_067, width: 256 }), 'tile/0/x001/x234/067')
    assert.equal(tilePath({ level: 'entries', index: 0, width: 5 }), 'tile/entries/000.p/5')
    // "a tree of size 70,000": 273 full tiles of level 0 and one of 112; one of level 1 and one of 17; one of 1.
    assert.deepEqual(tileAt(0, 69_999, 70_000), { level: 0, index: 273, width: 112 })
    assert.deepEqual(tileAt(1, 272, 70_000), { level: 1, index: 1, width: 17 })
    assert.deepEqual(tileAt(2, 0, 70_000), { level: 2, index: 0, width: 1 })
    assert.deepEqual(tileAt('entries', 0, 70_000), { level: 'entries', index: 0, width: 256 })
  })

  it('bundles are read whole, or not at all', () => {
    const entries = [new Uint8Array(0), new Uint8Array(300).fill(4), new Uint8Array([1])]
    const bundle = formatBundle(entries)
    assert.deepEqual(parseBundle(bundle, 3), entries)
    for (const count of [0, 2, 4]) assert.equal(parseBundle(bundle, count), undefined)
    for (let end = 0; end < bundle.length; end++)
      assert.equal(parseBundle(bundle.subarray(0, end), 3), undefined)
  })
})
