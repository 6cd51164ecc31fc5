/**
 * Where keys, range ends and lease IDs stand in the messages of the API: field numbers and what they hold. wire/ compiles
 * this into rewriters once, at start-up. Fields that are not named here pass through unchanged, in place.
 */
export type MessageName =
  | 'Plain'
  | 'RangeRequest'
  | 'RangeResponse'
  | 'RangeStreamResponse'
  | 'PutRequest'
  | 'PutResponse'
  | 'DeleteRangeRequest'
  | 'DeleteRangeResponse'
  | 'TxnRequest'
  | 'TxnResponse'
  | 'WatchRequest'
  | 'WatchResponse'
  | 'LeaseGrantRequest'
  | 'LeaseGrantResponse'
  | 'LeaseRevokeRequest'
  | 'LeaseKeepAliveRequest'
  | 'LeaseKeepAliveResponse'
  | 'LeaseTimeToLiveRequest'
  | 'LeaseTimeToLiveResponse'
  | 'LeaseLeasesResponse';
