/**
 * Reads a range page by page at one revision, in the order of keys. The number of keys per page follows their size, so that a
 * page has a few MiB. The next page is requested while the caller processes the current one. A page that is longer than this
 * process accepts is requested again with fewer keys.
 */
import type { KeyRange } from '../../etcd/key-range.ts';
import { CallFailure } from './call-failure.ts';
import type { EtcdClient } from './etcd-client.ts';
import { type Page, readPage } from './key-value.ts';
import { PageBounds } from './page-bounds.ts';
import { after, rangeRequest } from './range.ts';

const pageBytesWanted = 2 << 20;
const keysFirst = 100;
/** Bounds what etcd reads for one page if small keys are followed by large ones. */
const keysMax = 10_000;
/** Pages grow by this factor at most, because the next keys may be larger. */
const growthMax = 8;

export class PageSize {
  keys = keysFirst;

  /** Adapts to a page that has arrived. */
  onPage({ keyValues, encoded }: Pick<Page, 'keyValues' | 'encoded'>): void {
    const meanBytes = encoded.length / Math.max(1, keyValues.length);
    const wanted = Math.floor(pageBytesWanted / Math.max(1, meanBytes));
    this.keys = Math.max(1, Math.min(wanted, this.keys * growthMax, keysMax));
  }

  /** A page was too long. Returns false if it had one key only. */
  shrink(): boolean {
    if (this.keys === 1) return false;
    this.keys = Math.max(1, Math.floor(this.keys / 8));
    return true;
  }
}

/**
 * Yields pages with at least one key. `revision` 0 reads the current state of each page. Rejects with a `CallFailure`, compacted
 * ones included.
 */
export async function* pagesOf(
  etcd: Pick<EtcdClient, 'call'>,
  range: KeyRange,
  revision: number,
): AsyncGenerator<Page, void> {
  const size = new PageSize();
  const bounds = new PageBounds(range);
  const request = (key: Uint8Array): PendingPage => {
    const end = bounds.endFrom(key);
    const page = readOne(etcd, { key, end }, revision, size);
    // It is awaited below. A failure must not count as unhandled until then.
    page.catch(() => {});
    return { end, page };
  };
  for (let next: PendingPage | null = request(range.key); next !== null; ) {
    const { end, page: pending }: PendingPage = next;
    const page = await pending;
    const last = page.keyValues.at(-1);
    if (last !== undefined) size.onPage(page);
    bounds.onPage(page, size.keys);
    if (page.hasMore && last !== undefined) next = request(after(last.key));
    else next = end === range.end ? null : request(end);
    if (last !== undefined) yield page;
  }
}

interface PendingPage {
  /** Of the requested range. */
  readonly end: Uint8Array;
  readonly page: Promise<Page>;
}

async function readOne(
  etcd: Pick<EtcdClient, 'call'>,
  range: KeyRange,
  revision: number,
  size: PageSize,
): Promise<Page> {
  for (;;) {
    try {
      const request = rangeRequest(range, { limit: size.keys, revision });
      return readPage(await etcd.call('etcdserverpb.KV/Range', request));
    } catch (error) {
      if (!(error instanceof CallFailure) || !error.isTooLarge || !size.shrink()) {
        throw error;
      }
    }
  }
}
