/** A list of 32-bit integers that grows: a fraction of the memory of a JavaScript array. */
export class GrowingInts {
  length = 0
  private items = new Int32Array(1024)

  push(value: number): void {
    if (this.length === this.items.length) {
      const larger = new Int32Array(this.items.length * 2)
      larger.set(this.items)
      this.items = larger
    }
    this.items[this.length++] = value
  }

  at(index: number): number {
    return this.items[index] as number
  }

  done(): Int32Array {
    return this.items.slice(0, this.length)
  }
}
