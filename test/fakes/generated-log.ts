/** A transparency log with all hashes at hand: a proof at every size as it grows, its objects in the end. */
import { logCrypto } from '../../functions/log/log-reader.ts'
import { folded, LogTree } from '../../functions/log/log-tree.ts'
import type { Signer } from '../../functions/ports.ts'
import { formatCheckpoint, formatProof } from '../../pipelines/log/checkpoint.ts'
import { leafHash } from '../../pipelines/log/merkle.ts'
import { formatNote, keyId } from '../../pipelines/log/signed-note.ts'
import { formatBundle, TILE_WIDTH, type Tile, tilePath } from '../../pipelines/log/tiles.ts'

const { sha256 } = logCrypto

export class GeneratedLog {
  private readonly signer: Signer
  private readonly origin: string
  private readonly entries: Uint8Array[] = []
  /** Hashes by level of tiles. */
  private readonly levels: Uint8Array[][] = [[]]
  private note = ''

  constructor(signer: Signer, origin = 'heddle.test/log') {
    this.signer = signer
    this.origin = origin
  }

  /** A tlog-proof of the entry in the tree that it is the last of. */
  async append(entry: Uint8Array): Promise<Uint8Array> {
    this.entries.push(entry)
    this.add(0, leafHash(sha256, entry))
    const size = this.entries.length
    const tree = new LogTree(size, sha256, async (tile) => this.tile(tile))
    const text = formatCheckpoint({ origin: this.origin, size, root: await tree.root() })
    const signature = await this.signer.sign(Buffer.from(text))
    const key = { name: this.origin, publicKey: this.signer.publicKey }
    this.note = formatNote({ text, signatures: [{ name: key.name, keyId: keyId(sha256, key), signature }] })
    const hashes = await tree.inclusion(size - 1)
    return new Uint8Array(Buffer.from(formatProof({ index: size - 1, hashes, checkpoint: this.note })))
  }

  write(put: (key: string, bytes: Uint8Array) => void): void {
    for (const [level, hashes] of this.levels.entries())
      for (let first = 0; first < hashes.length; first += TILE_WIDTH) {
        const width = Math.min(TILE_WIDTH, hashes.length - first)
        const tile = { index: first / TILE_WIDTH, width }
        put(`log/${tilePath({ level, ...tile })}`, this.tile({ level, ...tile }))
        if (level > 0) continue
        const bundle = formatBundle(this.entries.slice(first, first + width))
        put(`log/${tilePath({ level: 'entries', ...tile })}`, bundle)
      }
    put('log/checkpoint', Buffer.from(this.note))
  }

  private add(level: number, hash: Uint8Array): void {
    const hashes = this.levels[level] ?? []
    this.levels[level] = hashes
    hashes.push(hash)
    if (hashes.length % TILE_WIDTH === 0)
      this.add(level + 1, folded(sha256, new Uint8Array(Buffer.concat(hashes.slice(-TILE_WIDTH)))))
  }

  private tile({ level, index, width }: Tile): Uint8Array {
    const first = index * TILE_WIDTH
    const hashes = this.levels[Number(level)] ?? []
    return new Uint8Array(Buffer.concat(hashes.slice(first, first + width)))
  }
}
