import type { RouteRecord } from "../records/record.ts";

/**
 * What a probe needs to know of a route. One is kept for each of ten thousand routes, so it holds nothing else of
 * the record.
 */
export interface ProbeTarget {
  namespaceUid: string;
  stream: string;
  accountSid: string;
  /**
   * Base64, as it is recorded. Bytes would be a slice of one of Node's buffer pools, and ten thousand kept slices
   * hold on to ten thousand pools of 8 KiB.
   */
  checkKey: string;
  /** The inbound URL as Twilio will call it. */
  url: string;
}

/** The target of a route: the first of its URLs is the one that numbers are set to. */
export function targetOf({ namespaceUid, stream, accountSid, checkKey, urls }: RouteRecord): ProbeTarget {
  return { namespaceUid, stream, accountSid, checkKey, url: urls[0]!.inbound };
}
