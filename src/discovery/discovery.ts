/** The endpoints that DNS has named for one domain. What was found last stays while DNS fails. */
import { discover, type SrvQuery, type SrvResolver } from './srv.ts';

/** `failed`: for another reason than the look-up before. */
export type LookUpResult = 'changed' | 'same' | 'failed';

export class Discovery {
  readonly query: SrvQuery;
  /** Null before the first response. */
  endpoints: readonly string[] | null = null;
  /** Of the last look-up. Empty after a success. */
  failure = '';

  constructor(query: SrvQuery) {
    this.query = query;
  }

  /** Never rejects. */
  async lookUp(resolver: SrvResolver): Promise<LookUpResult> {
    const { endpoints: before, failure: failureBefore } = this;
    try {
      this.endpoints = await discover(this.query, resolver);
      this.failure = '';
      return this.endpoints.join() === before?.join() ? 'same' : 'changed';
    } catch (error) {
      this.failure = (error as Error).message;
      return this.failure === failureBefore ? 'same' : 'failed';
    }
  }
}
