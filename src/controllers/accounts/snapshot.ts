import { isDeepStrictEqual } from "node:util";
import type { CallOptions, MessagingService, PhoneNumber, TwilioAccount } from "../../twilio/twilio.ts";
import type { ServiceMembership } from "./precedence.ts";

/** What an account looked like at one moment, as far as incoming texts are concerned. */
export interface Snapshot {
  takenAtMs: number;
  /** By digits: `14252306549`, or a short code's `12345`. */
  numbers: Map<string, PhoneNumber>;
  surroundings: Surroundings;
}

/** What can take precedence over a number's own webhook, and changes rarely: looked at once an hour, or with a reason. */
export interface Surroundings {
  takenAtMs: number;
  /** How many calls to Twilio the reading took, pages beyond the first not counted. */
  calls: number;
  shortCodes: readonly PhoneNumber[];
  /** By SID of the number or short code; a number is in one service at the most. */
  services: ReadonlyMap<string, ServiceMembership>;
  /** Digits of the numbers that a Conversations address with autocreation takes. */
  conversations: ReadonlySet<string>;
}

/** One page each of services, short codes and Conversations addresses, and one of each service's pool. */
export async function readSurroundings(
  account: TwilioAccount,
  options: CallOptions,
  nowMs: number,
): Promise<Surroundings> {
  const [services, shortCodes, addresses] = await Promise.all([
    account.listMessagingServices(options),
    account.listShortCodes(options),
    account.listConversationsAddresses(options),
  ]);
  const memberships = await Promise.all(
    services.map((service) => membersOf(account, service, shortCodes, options)),
  );
  return {
    takenAtMs: nowMs,
    calls: 3 + services.length * (shortCodes.length === 0 ? 1 : 2),
    shortCodes,
    services: new Map(memberships.flat()),
    conversations: new Set(
      addresses.filter(({ autoCreation }) => autoCreation).map(({ address }) => digits(address)),
    ),
  };
}

/** Would a number be judged by one as by the other? */
export function sameSurroundings(a: Surroundings, b: Surroundings): boolean {
  const facts = ({ shortCodes, services, conversations }: Surroundings) => [
    new Set(shortCodes.map(({ sid }) => sid)),
    services,
    conversations,
  ];
  return isDeepStrictEqual(facts(a), facts(b));
}

async function membersOf(
  account: TwilioAccount,
  service: MessagingService,
  shortCodes: readonly PhoneNumber[],
  options: CallOptions,
): Promise<[string, ServiceMembership][]> {
  const [numberSids, shortCodeSids] = await Promise.all([
    account.listServiceNumbers(service.sid, options),
    // An account without short codes has none in its services either.
    shortCodes.length === 0 ? [] : account.listServiceShortCodes(service.sid, options),
  ]);
  const membership: ServiceMembership = {
    serviceSid: service.sid,
    usesNumbersWebhook: service.useInboundWebhookOnNumber,
    inboundUrl: service.inboundRequestUrl,
  };
  return [...numberSids, ...shortCodeSids].map((sid) => [sid, membership]);
}

export function snapshotOf(
  numbers: readonly PhoneNumber[],
  surroundings: Surroundings,
  nowMs: number,
): Snapshot {
  const all = [...numbers, ...surroundings.shortCodes];
  return {
    takenAtMs: nowMs,
    numbers: new Map(all.map((number) => [digits(number.phoneNumber), number])),
    surroundings,
  };
}

/** `+14252306549` → `14252306549`: the spec's notation. */
export function digits(phoneNumber: string): string {
  return phoneNumber.replace(/^\+/, "");
}
