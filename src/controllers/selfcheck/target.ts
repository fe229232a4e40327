import type { RouteRecord } from "../records/record.ts";

/**
 * What a probe needs to know of a route. The controller keeps one target for each of up to ten thousand routes, so a
 * target holds nothing else of the record.
 */
export interface ProbeTarget {
  namespaceUid: string;
  stream: string;
  accountSid: string;
  /**
   * The key of the self-check in base64, as it is recorded. As bytes it would be a slice of a buffer pool of Node,
   * and ten thousand slices keep ten thousand pools of 8 KiB in memory.
   */
  checkKey: string;
  /** The inbound URL as Twilio will call it. */
  url: string;
}

/**
 * Makes the target of a route. The target's URL is the first URL of the route, to which the webhooks of numbers are
 * set.
 */
export function targetOf({ namespaceUid, stream, accountSid, checkKey, urls }: RouteRecord): ProbeTarget {
  return { namespaceUid, stream, accountSid, checkKey, url: urls[0]!.inbound };
}
