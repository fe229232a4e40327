import {
  accountDefaults,
  addressDefaults,
  applicationDefaults,
  keyDefaults,
  numberDefaults,
  serviceDefaults,
  shortCodeDefaults,
} from "./defaults.ts";
import type {
  ApiKey,
  ConversationAddress,
  Message,
  PoolMember,
  SimulatedAccount,
  SimulatedNumber,
  SimulatedSender,
  SimulatedService,
  SimulatedShortCode,
  TwimlApplication,
} from "./resources.ts";
import { numberedSid, type SidPrefix } from "./sids.ts";
import { Table } from "./table.ts";

/** The first phone number that `addNumbers` adds, without the plus. */
const FIRST_NUMBER = 13_602_000_000;

/** A new account. Fields that are left out get Twilio's defaults. */
export type NewAccount = Partial<SimulatedAccount>;
/** A new resource of an account. Fields that are left out get Twilio's defaults. */
export type NewResource<T extends { accountSid: string }> = Partial<T> & Pick<T, "accountSid">;

/**
 * One of Twilio's regions. A region shares no credentials, configuration or data with other regions. The same account or number may exist
 * in several regions under the same SID, but with different tokens and webhooks.
 */
export class Region {
  readonly accounts = new Map<string, SimulatedAccount>();
  readonly keys = new Table<ApiKey>();
  readonly numbers = new Table<SimulatedNumber>();
  readonly shortCodes = new Table<SimulatedShortCode>();
  readonly applications = new Table<TwimlApplication>();
  readonly services = new Table<SimulatedService>();
  readonly addresses = new Table<ConversationAddress>();
  readonly messages = new Table<Message>();
  /** The members of all Messaging Services, by the sender's SID, because a sender belongs to at most one service. */
  readonly pool = new Map<string, PoolMember>();
  /** The customers who opted out, each with the sender or service whose texts they stopped. opt-out.ts makes the keys. */
  readonly optedOut = new Set<string>();
  /** Numbers and short codes by the digits that a customer dials. */
  readonly #bySender = new Map<string, SimulatedSender>();
  /** The last number that `#nextSid` used for each SID prefix. */
  readonly #counters = new Map<SidPrefix, number>();
  /** The next phone number that `addNumbers` tries, without the plus. */
  #nextNumber = FIRST_NUMBER;
  readonly name: string;
  readonly #now: () => number;

  constructor(name: string, now: () => number) {
    this.name = name;
    this.#now = now;
  }

  /**
   * Adds an account. The n-th account gets the n-th token, see `accountDefaults`. Given fields win over the defaults, as in all `add…`
   * methods.
   */
  addAccount(account: NewAccount = {}): SimulatedAccount {
    const sid = account.sid ?? this.#nextSid("AC");
    const created = { sid, ...accountDefaults(this.accounts.size + 1, sid), ...this.#dates(), ...account };
    this.accounts.set(sid, created);
    return created;
  }

  addKey(key: NewResource<ApiKey>): ApiKey {
    const sid = key.sid ?? this.#nextSid("SK");
    return this.keys.add({ sid, ...keyDefaults(sid), ...this.#dates(), ...key });
  }

  /** Throws when the number is not in the format E.164, or when this region already has it. */
  addNumber(number: NewResource<SimulatedNumber> & Pick<SimulatedNumber, "phoneNumber">): SimulatedNumber {
    const { phoneNumber } = number;
    if (!/^\+[1-9][0-9]{6,14}$/.test(phoneNumber))
      throw new Error(`${phoneNumber} is not in the format E.164, such as +14252306549`);
    if (this.#bySender.has(phoneNumber)) throw new Error(`${phoneNumber} exists already`);
    const sid = number.sid ?? this.#nextSid("PN");
    const added = this.numbers.add({ sid, ...numberDefaults(phoneNumber), ...this.#dates(), ...number });
    this.#bySender.set(phoneNumber, added);
    return added;
  }

  /** Adds many numbers, for load and paging tests: from +13602000000 on, continuing after the numbers of the last call. */
  addNumbers(accountSid: string, count: number): SimulatedNumber[] {
    return Array.from({ length: count }, () => {
      while (this.#bySender.has(`+${this.#nextNumber}`)) this.#nextNumber++;
      return this.addNumber({ accountSid, phoneNumber: `+${this.#nextNumber}` });
    });
  }

  addShortCode(
    code: NewResource<SimulatedShortCode> & Pick<SimulatedShortCode, "shortCode">,
  ): SimulatedShortCode {
    const sid = code.sid ?? this.#nextSid("SC");
    const row = this.shortCodes.add({ sid, ...shortCodeDefaults(code.shortCode), ...this.#dates(), ...code });
    this.#bySender.set(row.shortCode, row);
    return row;
  }

  addApplication(application: NewResource<TwimlApplication>): TwimlApplication {
    const sid = application.sid ?? this.#nextSid("AP");
    return this.applications.add({ sid, ...applicationDefaults(sid), ...this.#dates(), ...application });
  }

  addService(service: NewResource<SimulatedService>): SimulatedService {
    const sid = service.sid ?? this.#nextSid("MG");
    return this.services.add({ sid, ...serviceDefaults(sid), ...this.#dates(), ...service });
  }

  addAddress(
    address: NewResource<ConversationAddress> & Pick<ConversationAddress, "address">,
  ): ConversationAddress {
    const sid = address.sid ?? this.#nextSid("IG");
    return this.addresses.add({ sid, ...addressDefaults(address.address), ...this.#dates(), ...address });
  }

  /** Puts a sender into a Messaging Service. The sender leaves the service that it belonged to. */
  join(serviceSid: string, senderSid: string): PoolMember {
    const member = { sid: senderSid, serviceSid, dateCreated: this.#now() };
    this.pool.set(senderSid, member);
    return member;
  }

  /** Removes a Messaging Service. Its senders then belong to no service. */
  removeService(sid: string): void {
    this.services.remove(sid);
    for (const member of [...this.pool.values()]) if (member.serviceSid === sid) this.pool.delete(member.sid);
  }

  /** Removes a number from its account, as when it is released or ported to another carrier. */
  releaseNumber(sid: string): void {
    const number = this.numbers.remove(sid);
    if (number !== undefined) this.#bySender.delete(number.phoneNumber);
    this.pool.delete(sid);
  }

  /** Whether the account is suspended. Suspending a parent suspends its subaccounts. */
  isSuspended({ status, ownerAccountSid }: SimulatedAccount): boolean {
    return status === "suspended" || this.accounts.get(ownerAccountSid)?.status === "suspended";
  }

  /** Whether the account may send and receive. */
  isActive(account: SimulatedAccount): boolean {
    return account.status === "active" && !this.isSuspended(account);
  }

  /** The number or short code that a customer reaches at this address. */
  sender(address: string): SimulatedSender | undefined {
    return this.#bySender.get(address);
  }

  /** The Messaging Service that the sender belongs to. */
  serviceOf(senderSid: string): SimulatedService | undefined {
    const member = this.pool.get(senderSid);
    return member === undefined ? undefined : this.services.get(member.serviceSid);
  }

  /** Removes all resources of the region. */
  clear(): void {
    for (const table of this.#tables()) table.clear();
    for (const map of [this.accounts, this.pool, this.#bySender, this.#counters]) map.clear();
    this.optedOut.clear();
    this.#nextNumber = FIRST_NUMBER;
  }

  #tables() {
    const { keys, numbers, shortCodes, applications, services, addresses, messages } = this;
    return [keys, numbers, shortCodes, applications, services, addresses, messages];
  }

  #dates() {
    const now = this.#now();
    return { dateCreated: now, dateUpdated: now };
  }

  /** The next free SID: counts up and skips the SIDs that the seed has taken. */
  #nextSid(prefix: SidPrefix): string {
    let sid: string;
    do {
      const n = (this.#counters.get(prefix) ?? 0) + 1;
      this.#counters.set(prefix, n);
      sid = numberedSid(prefix, n);
    } while (this.#isTaken(sid));
    return sid;
  }

  #isTaken(sid: string): boolean {
    return this.accounts.has(sid) || this.#tables().some((table) => table.get(sid) !== undefined);
  }
}
