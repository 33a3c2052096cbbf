/** So many at a time, the others in the order in which they came. */
export class Turns {
  private free: number
  private readonly waiting: ((end: () => void) => void)[] = []

  constructor(atOnce: number) {
    this.free = atOnce
  }

  /** Calls `begin` when it is its turn, which lasts until `end` is called; twice is once. */
  take(begin: (end: () => void) => void): void {
    if (this.free === 0) this.waiting.push(begin)
    else {
      this.free--
      this.start(begin)
    }
  }

  private start(begin: (end: () => void) => void): void {
    let over = false
    begin(() => {
      if (over) return
      over = true
      const next = this.waiting.shift()
      if (next === undefined) this.free++
      else this.start(next)
    })
  }
}
