/** The numbers and settings of an account at one moment, as far as they matter for incoming texts. */

import { isDeepStrictEqual } from "node:util";
import type { SmsNumber } from "../../api/index.ts";
import { isAnyNotFound } from "../../twilio/fault.ts";
import type { CallOptions, MessagingService, PhoneNumber, TwilioAccount } from "../../twilio/twilio.ts";
import type { ServiceMembership } from "./precedence.ts";

/** What one reading of an account found. All numbers of the account share it. */
export interface Snapshot {
  /**
   * When the reading began, by the monotonic clock like all times of readings. With a wall clock that is set back, an
   * old reading would count as recent.
   */
  takenAtMs: number;
  /** The numbers by their digits: `14252306549`, or `12345` for a short code. */
  numbers: Map<string, PhoneNumber>;
  surroundings: AccountSurroundings;
}

/**
 * Finds the number among the numbers of the account by its exact digits. A short code is found only for a spec of
 * type ShortCode, and any other number only for a spec of another type.
 */
export function findIn(
  snapshot: Snapshot,
  spec: Pick<SmsNumber["spec"], "number" | "type">,
): PhoneNumber | undefined {
  const number = snapshot.numbers.get(spec.number);
  if (number === undefined) return undefined;
  return (number.kind === "shortCode") === (spec.type === "ShortCode") ? number : undefined;
}

/**
 * What can take precedence over the webhooks of the account's numbers: Messaging Services and Conversations
 * addresses. They change rarely, so they are read once an hour, or sooner if there is a reason to (ADR 30).
 */
export interface AccountSurroundings {
  takenAtMs: number;
  /** How many calls to Twilio the reading took. Pages after the first of a list do not count. */
  calls: number;
  shortCodes: readonly PhoneNumber[];
  /**
   * The Messaging Service of each number or short code, by the SID of the number or short code. At Twilio a number is
   * in one service at most (error 21712).
   */
  services: ReadonlyMap<string, ServiceMembership>;
  /** The digits of the numbers whose texts a Conversations address with autocreation takes. */
  conversations: ReadonlySet<string>;
  /** The names of the lists that had entries, of the lists that a server that stands in for Twilio may lack. */
  filled: ReadonlySet<string>;
}

/** Reads a list that may be missing on a server that stands in for Twilio. */
type Optional = <T>(name: string, list: Promise<T[]>) => Promise<T[]>;

/**
 * Reads services, short codes and Conversations addresses, and the members of each service. Only the lists of members
 * show which service a number is in, because the resource of the number has no such field. `before` is the last
 * reading, if there is one.
 */
export async function readSurroundings(
  account: TwilioAccount,
  options: CallOptions,
  nowMs: number,
  before?: AccountSurroundings,
): Promise<AccountSurroundings> {
  const filled = new Set<string>();
  const optional: Optional = async (name, list) => {
    const rows = await orNone(list, { hadSome: before?.filled.has(name) ?? false });
    if (rows.length > 0) filled.add(name);
    return rows;
  };
  const [services, shortCodes, addresses] = await Promise.all([
    account.listMessagingServices(options),
    optional("shortCodes", account.listShortCodes(options)),
    optional("conversations", account.listConversationsAddresses(options)),
  ]);
  const memberships = await Promise.all(
    services.map((service) => membersOf(account, service, shortCodes, { options, optional })),
  );
  return {
    takenAtMs: nowMs,
    // The calls are three lists for the account, and one or two lists for each Messaging Service.
    calls: 3 + services.length * (shortCodes.length === 0 ? 1 : 2),
    shortCodes,
    services: new Map(memberships.flat()),
    conversations: new Set(
      addresses.filter(({ autoCreation }) => autoCreation).map(({ address }) => digits(address)),
    ),
    filled,
  };
}

/**
 * The rows of a list that may be missing. A server that stands in for Twilio and lacks the list answers 404 in a form
 * of its own. The list then counts as empty. A broken proxy may answer in the same way, so a 404 for a list that had
 * entries before counts as an error.
 */
async function orNone<T>(list: Promise<T[]>, { hadSome }: { hadSome: boolean }): Promise<T[]> {
  try {
    return await list;
  } catch (error) {
    if (isAnyNotFound(error) && !hadSome) return [];
    throw error;
  }
}

/** Whether two readings lead to the same judgement of every number. */
export function sameSurroundings(a: AccountSurroundings, b: AccountSurroundings): boolean {
  const facts = ({ shortCodes, services, conversations }: AccountSurroundings) => [
    new Set(shortCodes.map(({ sid }) => sid)),
    services,
    conversations,
  ];
  return isDeepStrictEqual(facts(a), facts(b));
}

/** The members of one Messaging Service, each with what the service does with texts to that member. */
async function membersOf(
  account: TwilioAccount,
  service: MessagingService,
  shortCodes: readonly PhoneNumber[],
  { options, optional }: { options: CallOptions; optional: Optional },
): Promise<[string, ServiceMembership][]> {
  const [numberSids, shortCodeSids] = await Promise.all([
    optional(`${service.sid}/numbers`, account.listServiceNumbers(service.sid, options)),
    // An account without short codes has no short codes in its services either.
    shortCodes.length === 0
      ? []
      : optional(`${service.sid}/shortCodes`, account.listServiceShortCodes(service.sid, options)),
  ]);
  const membership: ServiceMembership = {
    serviceSid: service.sid,
    usesNumbersWebhook: service.useInboundWebhookOnNumber,
    inboundUrl: service.inboundRequestUrl,
  };
  return [...numberSids, ...shortCodeSids].map((sid) => [sid, membership]);
}

/**
 * Makes a snapshot that has numbers and short codes in one map, by their digits. A number and a short code never have
 * the same digits, because only a short code has five or six digits.
 */
export function snapshotOf(
  numbers: readonly PhoneNumber[],
  surroundings: AccountSurroundings,
  nowMs: number,
): Snapshot {
  const all = [...numbers, ...surroundings.shortCodes];
  return {
    takenAtMs: nowMs,
    numbers: new Map(all.map((number) => [digits(number.phoneNumber), number])),
    surroundings,
  };
}

/** Turns `+14252306549` into `14252306549`, the notation of the spec. */
export function digits(phoneNumber: string): string {
  return phoneNumber.replace(/^\+/, "");
}
