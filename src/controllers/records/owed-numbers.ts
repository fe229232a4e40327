import { MultiMap } from "../../multimap.ts";
import { configuredKey } from "./configured.ts";
import type { OwedRecord } from "./record.ts";

/**
 * The owed numbers: nobody holds them, and they were not given back. They can be looked up by number, by the SmsNumber
 * that held the number, by stream, and by the URLs that the number points at. Each of these lookups has an index,
 * because reconciles use all four.
 */
export class OwedNumbers {
  readonly #bySid = new Map<string, OwedRecord>();
  readonly #sidsByUid = new MultiMap<string, string>();
  readonly #sidsByStream = new MultiMap<string, string>();
  readonly #sidsByUrls = new MultiMap<string, string>();

  get(phoneNumberSid: string): OwedRecord | undefined {
    return this.#bySid.get(phoneNumberSid);
  }
  all(): OwedRecord[] {
    return [...this.#bySid.values()];
  }
  /** The owed numbers that this SmsNumber held and did not give back. */
  ofHolder(uid: string): OwedRecord[] {
    return this.#sidsByUid.get(uid).map((sid) => this.#bySid.get(sid)!);
  }
  ofStream(namespaceUid: string, stream: string): OwedRecord[] {
    return this.#sidsByStream.get(`${namespaceUid}/${stream}`).map((sid) => this.#bySid.get(sid)!);
  }

  /** Whether an owed number points at these URLs while the SmsNumber that held it may still give it back. */
  pointsAt(urlsKey: string): boolean {
    return this.#sidsByUrls.count(urlsKey) > 0;
  }

  /** Adds the record to every index, in place of an older record of the same number. */
  put(owed: OwedRecord): void {
    this.delete(owed.phoneNumberSid);
    this.#bySid.set(owed.phoneNumberSid, owed);
    this.#sidsByUid.add(owed.uid, owed.phoneNumberSid);
    this.#sidsByStream.add(`${owed.namespaceUid}/${owed.stream}`, owed.phoneNumberSid);
    // Once the SmsNumber that held the number is gone, nobody answers texts to the number any more. So the receivers
    // need not accept texts at the URLs of the number.
    if (owed.configured !== undefined && owed.isGone !== true)
      this.#sidsByUrls.add(configuredKey(owed.configured), owed.phoneNumberSid);
  }

  /**
   * Removes the record of a number from memory and returns it. Whoever calls `delete` must write the shard of the
   * record.
   */
  delete(phoneNumberSid: string): OwedRecord | undefined {
    const owed = this.#bySid.get(phoneNumberSid);
    if (owed === undefined) return undefined;
    this.#bySid.delete(phoneNumberSid);
    this.#sidsByUid.delete(owed.uid, phoneNumberSid);
    this.#sidsByStream.delete(`${owed.namespaceUid}/${owed.stream}`, phoneNumberSid);
    if (owed.configured !== undefined)
      this.#sidsByUrls.delete(configuredKey(owed.configured), phoneNumberSid);
    return owed;
  }

  /** Forgets all records, before they are read again from their Secrets. */
  clear(): void {
    for (const map of [this.#bySid, this.#sidsByUid, this.#sidsByStream, this.#sidsByUrls]) map.clear();
  }
}
