import { MultiMap } from "../../multimap.ts";
import { configuredKey } from "./configured.ts";
import type { OwedRecord } from "./record.ts";

/**
 * The numbers that are owed, found by number, by the SmsNumber that held it, by stream, and by where they point. An
 * index for each: all four are asked during reconciles.
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
  /** Those that this SmsNumber held and did not give back. */
  ofHolder(uid: string): OwedRecord[] {
    return this.#sidsByUid.get(uid).map((sid) => this.#bySid.get(sid)!);
  }
  ofStream(namespaceUid: string, stream: string): OwedRecord[] {
    return this.#sidsByStream.get(`${namespaceUid}/${stream}`).map((sid) => this.#bySid.get(sid)!);
  }

  /** Does one of them point at these URLs, and may its SmsNumber still give it back? */
  pointsAt(urlsKey: string): boolean {
    return this.#sidsByUrls.count(urlsKey) > 0;
  }

  /** Replaces the record of the same number, with its entries in every index. */
  put(owed: OwedRecord): void {
    this.delete(owed.phoneNumberSid);
    this.#bySid.set(owed.phoneNumberSid, owed);
    this.#sidsByUid.add(owed.uid, owed.phoneNumberSid);
    this.#sidsByStream.add(`${owed.namespaceUid}/${owed.stream}`, owed.phoneNumberSid);
    // Once the SmsNumber is gone nobody answers its texts, so its URLs need not verify any more.
    if (owed.configured !== undefined && owed.isGone !== true)
      this.#sidsByUrls.add(configuredKey(owed.configured), owed.phoneNumberSid);
  }

  /** The record that was there, whose shard must be written. */
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

  /** Before the records are read anew. */
  clear(): void {
    for (const map of [this.#bySid, this.#sidsByUid, this.#sidsByStream, this.#sidsByUrls]) map.clear();
  }
}
