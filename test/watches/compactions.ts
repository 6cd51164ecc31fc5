/** The compactions of one revision history: when each began, and how far those reach that have ended. */

export interface Compaction {
  readonly revision: number;
  readonly beganAtMs: number;
  /** The revision was not new any more: a watch in sync has been past it for long. */
  readonly isOld: boolean;
}

export class Compactions {
  readonly #begun: Compaction[] = [];
  /** Of compactions that etcd or the proxy has acknowledged. */
  acknowledged = 0;
  /** Of all, acknowledged or not. */
  newest = 0;

  get count(): number {
    return this.#begun.length;
  }

  /** Returns what to call once the compaction is acknowledged. */
  begin(revision: number, isOld: boolean): () => void {
    this.#begun.push({ revision, beganAtMs: performance.now(), isOld });
    this.newest = Math.max(this.newest, revision);
    return () => {
      this.acknowledged = Math.max(this.acknowledged, revision);
    };
  }

  find(revision: number): Compaction | null {
    return this.#begun.find((each) => each.revision === revision) ?? null;
  }
}
