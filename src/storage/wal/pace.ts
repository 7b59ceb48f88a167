/** A write in the turn itself may hold the loop so long. */
const quickMs = 1;
/** So many quick writes in a row make the disk a quick one. */
const quickRun = 16;
/** Larger writes are left to the thread pool, whatever the disk. */
const quickBytes = 64 * 1024;

/**
 * Whether the loop may wait for the disk itself. A hop to the thread pool and back costs as much as
 * half a write on a fast disk, and a slow one must not hold the loop: one slow write, wherever it
 * was made, sends the next ones to the pool until the disk has shown to be quick again.
 */
export class Pace {
  #quick = 0;

  quick(bytes: number): boolean {
    return bytes <= quickBytes && this.#quick >= quickRun;
  }

  took(ms: number): void {
    this.#quick = ms <= quickMs ? this.#quick + 1 : 0;
  }
}
