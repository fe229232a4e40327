import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { ControllerMetrics } from "../metrics.ts";
import type { ClaimRecord, HeldNumber, OwedRecord, RouteRecord } from "../records/record.ts";
import type { Records } from "../records/records.ts";
import type { Checks } from "../selfcheck/checks.ts";
import { formerHostOf, letGoFields } from "../smsnumber/cleanup/let-go.ts";
import { oweNumber } from "../smsnumber/previous/owed.ts";
import type { PreviousWebhooks } from "../smsnumber/previous/previous-webhooks.ts";
import type { Watches } from "../watches.ts";
import { keepUp, type RouteNeeds } from "./routes.ts";

/**
 * How often the records are searched for what nothing needs any more. All its deadlines are hours or days, so a
 * minute is exact enough.
 */
const UPKEEP_MS = 60_000;

/** What the upkeep compares the records with. */
export interface UpkeepOptions {
  clock: Clock;
  log: Log;
  watches: Watches;
  records: Records;
  /** Does the route's stream exist and use it? */
  hasStream(route: RouteRecord): boolean;
  checks: Checks;
  previous: PreviousWebhooks;
  metrics: Pick<ControllerMetrics, "countLetGo">;
  /** May this process write right now? */
  leading(): boolean;
  /** Resolves when the records are read. */
  loaded(): Promise<void>;
}

/**
 * Once a minute: claims whose objects are gone, owed numbers whose time is over and routes that nobody has needed
 * for an hour leave the records. For objects this does what their finalizer would have done, for the cases in which
 * no finalizer ran: it was taken off by hand, or the records were not readable then.
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #cancel = () => {};
  readonly #stop = new AbortController();
  /**
   * Numbers that are being let go, by SID. An upkeep that is cut off after the records changed finds them here and
   * tells of them the next time.
   */
  readonly #untold = new Map<string, HeldNumber>();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start() {
    this.#cancel = this.#options.clock.after(UPKEEP_MS, () => void this.#run());
  }

  stop() {
    this.#stop.abort(new Error("upkeep stopped"));
    this.#cancel();
  }

  async #run() {
    try {
      await this.#keepUp();
    } catch (error) {
      if (!this.#stop.signal.aborted)
        this.#options.log.warn({ err: error }, "upkeep of routes failed, will retry");
    }
    if (!this.#stop.signal.aborted) this.start();
  }

  async #keepUp() {
    const { watches, records, hasStream, checks, clock, leading, loaded } = this.#options;
    if (!leading()) return;
    await Promise.all([loaded(), watches.synced]);
    // What may not be listed would look as if it were gone.
    const { smsNumbers } = watches;
    // Namespaces that cannot be listed are left alone: their objects look as if they were gone.
    const live = new Set(smsNumbers.store.list().map(({ metadata }) => metadata.uid));
    const isGone = ({ uid, namespace }: HeldNumber) => smsNumbers.knows(namespace) && !live.has(uid);
    const writes: Promise<void>[] = [];
    for (const held of this.#untold.values()) writes.push(this.#tell(held));
    const isNew = ({ phoneNumberSid }: HeldNumber) => !this.#untold.has(phoneNumberSid);
    for (const claim of [...records.claims()])
      if (isNew(claim) && isGone(claim)) writes.push(this.#dropClaim(claim));
    for (const owed of records.allOwed().filter(isNew)) {
      const step = owedUpkeep(owed, isGone(owed), clock.now());
      if (step === "tell") writes.push(this.#tell(owed));
      if (step === "drop") writes.push(this.#drop(owed));
    }
    const needs: RouteNeeds = {
      hasStream,
      hasClaim: (route) => records.hasNumber(route),
    };
    writes.push(keepUp(records, needs, clock.now(), (key) => checks.forget(key)));
    await Promise.all(writes);
  }

  /**
   * A claim whose SmsNumber is gone. Where no webhook was saved and no update was answered, nothing of ours can be
   * at Twilio: what was there before is saved before an update is sent. Otherwise the number is owed, since the
   * update may have landed although the record does not say so.
   */
  async #dropClaim(claim: ClaimRecord): Promise<void> {
    const { previous, records } = this.#options;
    const { signal } = this.#stop;
    if (claim.configured !== undefined || (await previous.read(claim.uid, signal)) !== undefined)
      return await this.#tell(claim);
    // A Secret that could not be read may exist. It goes first, since only the claim tells of it.
    await previous.remove(claim.uid, signal);
    await records.dropClaim(claim.phoneNumberSid);
  }

  /**
   * The number's finalizer was removed by hand. Whoever did that meant to let go of it, but may not know what stays
   * at Twilio, so it is logged and counted.
   */
  async #tell(held: HeldNumber): Promise<void> {
    const { log, previous, metrics } = this.#options;
    const { number, phoneNumberSid, accountSid, namespace, name } = held;
    const reason = "FinalizerRemoved";
    this.#untold.set(phoneNumberSid, held);
    const saved = await oweNumber(this.#options, held, { why: reason, isGone: true }, this.#stop.signal);
    const left = {
      ...{ number, phoneNumberSid, accountSid },
      formerHost: saved === undefined ? undefined : formerHostOf(saved),
      keptIn: saved === undefined ? undefined : previous.keptIn(held),
    };
    this.#untold.delete(phoneNumberSid);
    metrics.countLetGo(reason);
    const fields = letGoFields({ reason, why: "its finalizer was removed by hand" }, left);
    log.warn(
      { kind: "SmsNumber", namespace, name, ...fields },
      "number let go; its webhook at twilio may still lead to this cluster",
    );
  }

  /** Nobody has held the number for 90 days: its record and saved webhook go. */
  async #drop(owed: OwedRecord): Promise<void> {
    const { log, previous, records } = this.#options;
    const { number, phoneNumberSid, accountSid } = owed;
    await previous.dropKept(owed, this.#stop.signal);
    // Before the record goes, which may fail after it has left the memory.
    log.warn(
      { number, phoneNumberSid, accountSid },
      "saved webhook deleted: nobody has held its number for 90 days",
    );
    await records.dropOwed(phoneNumberSid);
  }
}

/**
 * How long a saved webhook waits for its number to be held again. Not for ever, since its URL can hold a password
 * (ADR 31).
 */
export const KEPT_MS = 90 * 86_400_000;

/** What becomes of a number that is owed. Pure. */
export function owedUpkeep(owed: OwedRecord, isGone: boolean, now: number): "keep" | "tell" | "drop" {
  if (owed.isGone !== true) return isGone ? "tell" : "keep";
  return now - owed.sinceMs >= KEPT_MS ? "drop" : "keep";
}
