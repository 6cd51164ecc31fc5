/** The ResponseHeader with the newest revision that a tenant has received, for the responses that the proxy builds. */
import { revisionOf } from '../../etcd/response-header.ts';

export class NewestHeader {
  /** The content of the header. Empty until one is known. */
  content: Uint8Array = new Uint8Array(0);
  revision = 0;

  /** Takes the content of a header if it is newer. Returns a copy of it, which the caller may keep. */
  note(header: Uint8Array): Uint8Array {
    const copy = Uint8Array.from(header);
    const revision = revisionOf(copy);
    if (revision >= this.revision) {
      this.content = copy;
      this.revision = revision;
    }
    return copy;
  }
}
