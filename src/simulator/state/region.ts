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

/** What a new resource may say of itself; the rest gets Twilio's defaults. */
export type NewAccount = Partial<SimulatedAccount>;
export type NewResource<T extends { accountSid: string }> = Partial<T> & Pick<T, "accountSid">;

/**
 * One of Twilio's regions: credentials, configuration and data that no other region sees. The same account or number may
 * exist in several, under the same SID, with other tokens and other webhooks.
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
  /** Pool members of Messaging Services by the sender's SID: a sender is in at most one service. */
  readonly pool = new Map<string, PoolMember>();
  /** Opted-out pairs, see opt-out.ts. */
  readonly optedOut = new Set<string>();
  readonly #bySender = new Map<string, SimulatedSender>();
  readonly #counters = new Map<SidPrefix, number>();
  #nextNumber = 13_602_000_000;
  readonly name: string;
  readonly #now: () => number;

  constructor(name: string, now: () => number) {
    this.name = name;
    this.#now = now;
  }

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

  addNumber(number: NewResource<SimulatedNumber> & Pick<SimulatedNumber, "phoneNumber">): SimulatedNumber {
    const { phoneNumber } = number;
    if (!/^\+[1-9][0-9]{6,14}$/.test(phoneNumber))
      throw new Error(`${phoneNumber} is not E.164 (such as +14252306549)`);
    if (this.#bySender.has(phoneNumber)) throw new Error(`${phoneNumber} is there already`);
    const sid = number.sid ?? this.#nextSid("PN");
    const added = this.numbers.add({ sid, ...numberDefaults(phoneNumber), ...this.#dates(), ...number });
    this.#bySender.set(phoneNumber, added);
    return added;
  }

  /** Many numbers at once, for load and paging: +13602000000 and on, each call going on where the last one ended. */
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

  /** Puts a number or short code into a service; it leaves the one it was in. */
  join(serviceSid: string, senderSid: string): PoolMember {
    const member = { sid: senderSid, serviceSid, dateCreated: this.#now() };
    this.pool.set(senderSid, member);
    return member;
  }

  removeService(sid: string): void {
    this.services.remove(sid);
    for (const member of [...this.pool.values()]) if (member.serviceSid === sid) this.pool.delete(member.sid);
  }

  /** The account loses the number: released, or ported away. */
  releaseNumber(sid: string): void {
    const number = this.numbers.remove(sid);
    if (number !== undefined) this.#bySender.delete(number.phoneNumber);
    this.pool.delete(sid);
  }

  /** A number or short code of ours by what a handset would dial. */
  sender(address: string): SimulatedSender | undefined {
    return this.#bySender.get(address);
  }

  serviceOf(senderSid: string): SimulatedService | undefined {
    const member = this.pool.get(senderSid);
    return member === undefined ? undefined : this.services.get(member.serviceSid);
  }

  /** Forgets everything. */
  clear(): void {
    for (const table of this.#tables()) table.clear();
    for (const map of [this.accounts, this.pool, this.#bySender, this.#counters]) map.clear();
    this.optedOut.clear();
  }

  #tables() {
    const { keys, numbers, shortCodes, applications, services, addresses, messages } = this;
    return [keys, numbers, shortCodes, applications, services, addresses, messages];
  }

  #dates() {
    const now = this.#now();
    return { dateCreated: now, dateUpdated: now };
  }

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
