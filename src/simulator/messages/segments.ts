import { SegmentedMessage } from "sms-segments-calculator";

/** How many segments a text takes on the air, as Twilio itself counts; an empty one is one. */
export function segmentsOf(text: string): number {
  return new SegmentedMessage(text).segmentsCount;
}

/** Segments per second that a sender may put on the air: long code 1, toll-free 3, short code 100. */
export function segmentsPerSecond(sender: string): number {
  if (/^[0-9]{3,6}$/.test(sender)) return 100;
  return /^\+1(?:800|833|844|855|866|877|888)/.test(sender) ? 3 : 1;
}
