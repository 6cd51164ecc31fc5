/**
 * How far back a tenant may still read. Compaction by a tenant is virtual: it raises this floor, which is held in the process
 * and never stored. Only namespace/compaction/ raises it; reads and watches below it are rejected as compacted.
 */
export class CompactionFloor {
  /** 0 until the first compaction. It only rises. */
  revision = 0;
  /** The ResponseHeader that came with the newest compaction, for responses the proxy builds itself. */
  header: Uint8Array = new Uint8Array(0);

  /** Does nothing if the floor is already as high. */
  raise(revision: number, header: Uint8Array): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    this.header = Uint8Array.from(header);
  }

  /** Whether `revision` is the oldest one that can be read. */
  isAt(revision: number): boolean {
    return revision > 0 && revision === this.revision;
  }

  /** As in etcd, the floor itself stays readable, and a revision of 0 or less means the current one. */
  isAbove(revision: number): boolean {
    return revision > 0 && revision < this.revision;
  }
}
