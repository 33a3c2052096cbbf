/** Reading position in a pattern, and the one way in which its parser gives up. */
export class RegexError extends Error {
  readonly offset: number

  constructor(offset: number, reason: string) {
    super(reason)
    this.offset = offset
  }
}

export class Cursor {
  readonly text: string
  at = 0

  constructor(text: string) {
    this.text = text
  }

  get done(): boolean {
    return this.at >= this.text.length
  }

  /** The next UTF-16 unit, '' at the end. */
  peek(ahead = 0): string {
    return this.text[this.at + ahead] ?? ''
  }

  looksAt(prefix: string): boolean {
    return this.text.startsWith(prefix, this.at)
  }

  /** Skip `prefix` if it is next. */
  take(prefix: string): boolean {
    if (!this.looksAt(prefix)) return false
    this.at += prefix.length
    return true
  }

  /** Consume what a sticky expression matches here. */
  match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.at
    const found = expression.exec(this.text)
    if (found) this.at += found[0].length
    return found
  }

  /** Consume one code point; half a surrogate pair has no UTF-8 form. */
  codePoint(): number {
    const point = this.text.codePointAt(this.at)
    if (point === undefined) this.fail('the pattern ends too early')
    if (point >= 0xd800 && point <= 0xdfff) this.fail('half of a surrogate pair is no character')
    this.at += point > 0xffff ? 2 : 1
    return point
  }

  fail(reason: string, offset = this.at): never {
    throw new RegexError(offset, reason)
  }
}
