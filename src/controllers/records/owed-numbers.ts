import { MultiMap } from "../../multimap.ts";
import type { OwedRecord } from "./record.ts";

/** The numbers that are owed back, found by number, by the SmsNumber that held it, and by stream. */
export class OwedNumbers {
  readonly #bySid = new Map<string, OwedRecord>();
  readonly #sidsByUid = new MultiMap<string, string>();
  readonly #sidsByStream = new MultiMap<string, string>();

  get(phoneNumberSid: string): OwedRecord | undefined {
    return this.#bySid.get(phoneNumberSid);
  }
  all(): OwedRecord[] {
    return [...this.#bySid.values()];
  }
  /** Those that an SmsNumber held and did not give back. */
  ofHolder(uid: string): OwedRecord[] {
    return this.#sidsByUid.get(uid).map((sid) => this.#bySid.get(sid)!);
  }
  ofStream(namespaceUid: string, stream: string): OwedRecord[] {
    return this.#sidsByStream.get(`${namespaceUid}/${stream}`).map((sid) => this.#bySid.get(sid)!);
  }

  put(owed: OwedRecord): void {
    this.delete(owed.phoneNumberSid);
    this.#bySid.set(owed.phoneNumberSid, owed);
    this.#sidsByUid.add(owed.uid, owed.phoneNumberSid);
    this.#sidsByStream.add(`${owed.namespaceUid}/${owed.stream}`, owed.phoneNumberSid);
  }

  delete(phoneNumberSid: string): OwedRecord | undefined {
    const owed = this.#bySid.get(phoneNumberSid);
    if (owed === undefined) return undefined;
    this.#bySid.delete(phoneNumberSid);
    this.#sidsByUid.delete(owed.uid, phoneNumberSid);
    this.#sidsByStream.delete(`${owed.namespaceUid}/${owed.stream}`, phoneNumberSid);
    return owed;
  }

  clear(): void {
    for (const map of [this.#bySid, this.#sidsByUid, this.#sidsByStream]) map.clear();
  }
}
