import type { SimulatedSender } from "./resources.ts";

/** What a handset dials to reach this sender, and sees as the origin of its texts. */
export const senderAddress = (sender: SimulatedSender): string =>
  "phoneNumber" in sender ? sender.phoneNumber : sender.shortCode;

/** Short codes always take texts; a number may be for voice only. */
export const canText = (sender: SimulatedSender): boolean =>
  !("capabilities" in sender) || sender.capabilities.sms;
