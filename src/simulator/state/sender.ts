import type { SimulatedSender } from "./resources.ts";

/** The address that a customer dials to reach this sender, and sees as the origin of its texts. */
export const senderAddress = (sender: SimulatedSender): string =>
  "phoneNumber" in sender ? sender.phoneNumber : sender.shortCode;

/** Whether the sender can send and receive texts. Short codes always can; a number may be for voice only. */
export const canText = (sender: SimulatedSender): boolean =>
  !("capabilities" in sender) || sender.capabilities.sms;
