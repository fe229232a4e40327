/** What an account looked like at one moment, as far as incoming texts are concerned. */

import { isDeepStrictEqual } from "node:util";
import type { SmsNumber } from "../../api/index.ts";
import { isAnyNotFound } from "../../twilio/fault.ts";
import type { CallOptions, MessagingService, PhoneNumber, TwilioAccount } from "../../twilio/twilio.ts";
import type { ServiceMembership } from "./precedence.ts";

/** Read once, shared by all numbers of the account. */
export interface Snapshot {
  /**
   * When its reading began, by the monotonic clock like all times of readings: a wall clock that is set back would
   * let an old one pass for fresh.
   */
  takenAtMs: number;
  /** By digits: `14252306549`, or a short code's `12345`. */
  numbers: Map<string, PhoneNumber>;
  surroundings: AccountSurroundings;
}

/**
 * Finds the number among what the account owns: exactly these digits, and a short code only as a short code, whose
 * digits could be those of a number elsewhere.
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
 * What can take precedence over a number's own webhook. It changes rarely, so it is read once an hour, or with a
 * reason.
 */
export interface AccountSurroundings {
  takenAtMs: number;
  /** How many calls to Twilio the reading took, pages beyond the first not counted. */
  calls: number;
  shortCodes: readonly PhoneNumber[];
  /** By SID of the number or short code. At Twilio a number is in one service at the most (error 21712). */
  services: ReadonlyMap<string, ServiceMembership>;
  /** Digits of the numbers that a Conversations address with autocreation takes. */
  conversations: ReadonlySet<string>;
  /** The optional lists that had something in them. */
  filled: ReadonlySet<string>;
}

/** Reads a list that a server in Twilio's place may not have. */
type Optional = <T>(name: string, list: Promise<T[]>) => Promise<T[]>;

/**
 * Reads services, short codes and Conversations addresses, and each service's pool. The pools are the only way to
 * learn in which service a number is: its own resource has no such field. `before`: what was read last, if
 * anything.
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
    // Three lists, and one or two for each service.
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
 * A server in Twilio's place that lacks such a resource answers 404 in a form of its own, and the list counts as
 * empty. So may a broken proxy answer, and that is no reason to forget what is known to be there.
 */
async function orNone<T>(list: Promise<T[]>, { hadSome }: { hadSome: boolean }): Promise<T[]> {
  try {
    return await list;
  } catch (error) {
    if (isAnyNotFound(error) && !hadSome) return [];
    throw error;
  }
}

/** Would every number be judged by one as by the other? */
export function sameSurroundings(a: AccountSurroundings, b: AccountSurroundings): boolean {
  const facts = ({ shortCodes, services, conversations }: AccountSurroundings) => [
    new Set(shortCodes.map(({ sid }) => sid)),
    services,
    conversations,
  ];
  return isDeepStrictEqual(facts(a), facts(b));
}

/** The pool of one service, each member with what the service does with its texts. */
async function membersOf(
  account: TwilioAccount,
  service: MessagingService,
  shortCodes: readonly PhoneNumber[],
  { options, optional }: { options: CallOptions; optional: Optional },
): Promise<[string, ServiceMembership][]> {
  const [numberSids, shortCodeSids] = await Promise.all([
    optional(`${service.sid}/numbers`, account.listServiceNumbers(service.sid, options)),
    // An account without short codes has none in its services either.
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

/** Numbers and short codes in one map; their digits cannot meet, as a short code has five or six. */
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

/** `+14252306549` becomes `14252306549`, the notation of the spec. */
export function digits(phoneNumber: string): string {
  return phoneNumber.replace(/^\+/, "");
}
