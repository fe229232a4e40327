import { SegmentedMessage } from "sms-segments-calculator";

/** How many segments a text takes, by Twilio's own library. An empty text takes one segment. */
export function segmentsOf(text: string): number {
  return new SegmentedMessage(text).segmentsCount;
}

/** How many segments a sender may send per second. Twilio's defaults: long code 1, toll-free number 3, short code 100. */
export function segmentsPerSecond(sender: string): number {
  if (/^[0-9]{3,6}$/.test(sender)) return 100;
  return /^\+1(?:800|833|844|855|866|877|888)/.test(sender) ? 3 : 1;
}
