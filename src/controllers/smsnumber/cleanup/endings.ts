import type { EventNote } from "../../../kube/status/summarise.ts";
import type { Debt } from "./debts.ts";
import type { Ending } from "./give-back.ts";

/** How a deletion ended for one number. */
export interface DecidedEnding {
  debt: Debt;
  ending: Ending;
  /** The event that tells of it; set once everything that it changed is durable. */
  event?: EventNote;
}

/**
 * What finalizers have decided, kept until their objects are gone. Records change in memory before they are
 * durable, and Twilio before the records: an attempt that follows a failed one would find nothing left to do, and
 * so tell and count nothing. Not durable itself: after a restart the records of owed numbers take its place.
 */
export class Endings {
  readonly #byUid = new Map<string, DecidedEnding[]>();

  of(uid: string): readonly DecidedEnding[] {
    return this.#byUid.get(uid) ?? [];
  }

  add(uid: string, ended: DecidedEnding): void {
    this.#byUid.set(uid, [...this.of(uid), ended]);
  }

  forget(uid: string): void {
    this.#byUid.delete(uid);
  }
}
