/**
 * HPACK's two tables (RFC 7541, section 2.3 and appendix A). The dynamic table is a ring: entries do not move, and an index
 * counts back from the newest one.
 */
import { HeaderField } from './header-field.ts';

// Appendix A, in order from index 1: `name value`, or `name` alone.
const staticText = `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https
:status 200|:status 204|:status 206|:status 304|:status 400|:status 404|:status 500
accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin
age|allow|authorization|cache-control|content-disposition|content-encoding|content-language|content-length
content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match
if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards
proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie
strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`;

/** `staticTable[i]` is the entry with index i. HPACK does not use index 0. */
export const staticTable: readonly HeaderField[] = [
  new HeaderField('', ''),
  ...staticText.split(/[|\n]/).map((entry) => {
    const [name = '', ...value] = entry.split(' ');
    return new HeaderField(name, value.join(' '));
  }),
];

/** The index of the newest dynamic entry. */
export const firstDynamicIndex = staticTable.length;

const slotsMin = 16;

export class DynamicTable {
  // The length is a power of two, so that a mask replaces a division. The ring grows on demand: most peers send a dozen fields,
  // and each of thousands of connections has two tables.
  #ring: (HeaderField | null)[] = new Array<HeaderField | null>(slotsMin).fill(null);
  #mask = slotsMin - 1;
  #inserted = 0;
  #count = 0;
  #sizeBytes = 0;
  #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** The entry added `back` entries before the newest one; null if the table has fewer. */
  get(back: number): HeaderField | null {
    if (back >= this.#count) return null;
    return this.#ring[(this.#inserted - 1 - back) & this.#mask] ?? null;
  }

  /** Adds an entry and evicts the oldest ones to make room. An entry larger than the table empties it and is not added. */
  add(field: HeaderField): void {
    this.#evictTo(this.#bytesMax - field.sizeBytes);
    if (field.sizeBytes > this.#bytesMax) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[this.#inserted & this.#mask] = field;
    this.#inserted = (this.#inserted + 1) | 0;
    this.#count++;
    this.#sizeBytes += field.sizeBytes;
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evictTo(bytesMax);
  }

  #grow(): void {
    const larger = new Array<HeaderField | null>(this.#ring.length * 2).fill(null);
    for (let back = 0; back < this.#count; back++) {
      larger[(this.#inserted - 1 - back) & (larger.length - 1)] = this.get(back);
    }
    this.#ring = larger;
    this.#mask = larger.length - 1;
  }

  #evictTo(sizeBytes: number): void {
    while (this.#count > 0 && this.#sizeBytes > sizeBytes) {
      const slot = (this.#inserted - this.#count) & this.#mask;
      this.#sizeBytes -= this.#ring[slot]?.sizeBytes ?? 0;
      this.#ring[slot] = null;
      this.#count--;
    }
  }
}
