import type { SmsNumber } from "../../api/index.ts";
import type { CallOptions, PhoneNumber } from "../../twilio/twilio.ts";
import type { Account } from "../accounts/accounts.ts";

/** One number by its SID, not as part of a long list; null: Twilio says that the account has no such number. */
export async function fetchNumber(
  account: Account,
  type: SmsNumber["spec"]["type"],
  sid: string,
  options: CallOptions,
): Promise<PhoneNumber | null> {
  if (type !== "ShortCode") return await account.twilio.getNumber(sid, options);
  const shortCodes = await account.twilio.listShortCodes(options);
  return shortCodes.find((each) => each.sid === sid) ?? null;
}
