import type { EventNote } from "../../../kube/status/summarise.ts";
import type { Debt } from "./debts.ts";
import type { Ending } from "./give-back.ts";

/** How a deletion ended for one number. */
export interface DecidedEnding {
  debt: Debt;
  ending: Ending;
  /** The event that reports the ending. It is set once everything that the ending changed is durable. */
  event?: EventNote;
}

/**
 * Remembers how the deletion of each SmsNumber is to end, until the SmsNumber is gone. Records change in memory
 * before they are durable, and Twilio changes before the records do. So without this memory an attempt after a
 * failed one would find nothing left to do, and would report and count nothing. The memory is not durable: after a
 * restart the records of owed numbers take its place.
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
