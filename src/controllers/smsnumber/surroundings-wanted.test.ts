import { expect, test } from "vitest";
import type { SmsNumber } from "../../api/index.ts";
import { waitsForSurroundings } from "./surroundings-wanted.ts";

const number = (type: SmsNumber["spec"]["type"], condition: string, status: string, reason: string) =>
  ({ spec: { type }, status: { conditions: [{ type: condition, status, reason }] } }) as SmsNumber;

const rows: Record<string, [SmsNumber, boolean]> = {
  "a service drops its texts": [
    number("LongCode", "InboundUrlReady", "False", "MessagingServiceDropsInbound"),
    true,
  ],
  "a service sends them elsewhere": [
    number("TollFree", "InboundUrlReady", "False", "MessagingServiceOverrides"),
    true,
  ],
  "a Conversations address takes them": [
    number("LongCode", "InboundUrlReady", "False", "ConversationsOverrides"),
    true,
  ],
  "a short code that is not there yet": [
    number("ShortCode", "NumberFound", "False", "NumberNotInAccount"),
    true,
  ],
  "a long code that is not there yet: it is in the list that each resync reads": [
    number("LongCode", "NumberFound", "False", "NumberNotInAccount"),
    false,
  ],
  "a short code that a service could answer for": [
    number("ShortCode", "Accepted", "False", "ComplianceRepliesMissing"),
    true,
  ],
  "somebody else's webhook is on the number itself": [
    number("LongCode", "InboundUrlReady", "False", "WebhookOwnedByOther"),
    false,
  ],
  "all is well": [number("LongCode", "InboundUrlReady", "True", "UrlAnswers"), false],
  "nothing is known yet": [{ spec: { type: "LongCode" } } as SmsNumber, false],
};
for (const [name, [object, want]] of Object.entries(rows))
  test(name, () => expect(waitsForSurroundings(object)).toBe(want));
