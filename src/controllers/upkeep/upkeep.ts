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
 * How often the upkeep searches for records that nothing needs any more. Their deadlines are hours or days, so a minute
 * is exact enough.
 */
const UPKEEP_MS = 60_000;

/** The parts with which the upkeep compares the records, and the parts that it tells what it has changed. */
export interface UpkeepOptions {
  clock: Clock;
  log: Log;
  watches: Watches;
  records: Records;
  /** Whether the stream of the route exists and uses the route. */
  hasStream(route: RouteRecord): boolean;
  checks: Checks;
  previous: PreviousWebhooks;
  metrics: Pick<ControllerMetrics, "countLetGo">;
  /** Called when the upkeep has ended a claim, so that an SmsNumber that waits for the number gets it. */
  onLetGo(held: HeldNumber): void;
  /** Whether this process leads and may write right now. */
  leading(): boolean;
  /** Resolves when the records are read. */
  loaded(): Promise<void>;
}

/**
 * Once a minute, removes records that are not needed any more: claims whose objects are gone, owed numbers after 90
 * days, and routes that nothing has needed for an hour. For an object that is gone the upkeep does what its finalizer
 * would have done. That is needed when no finalizer ran: a user removed the finalizer, or the records could not be read
 * at that time.
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #cancel = () => {};
  readonly #stop = new AbortController();
  /**
   * Numbers that are being let go, by SID. If one run of the upkeep ends after it changed the records and before it
   * reported a number, the next run finds the number here and reports it.
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
        this.#options.log.warn(
          { err: error },
          "records that nothing needs any more cannot be removed, will retry",
        );
    }
    if (!this.#stop.signal.aborted) this.start();
  }

  async #keepUp() {
    const { watches, records, hasStream, checks, clock, leading, loaded } = this.#options;
    if (!leading()) return;
    await Promise.all([loaded(), watches.synced]);
    const { smsNumbers } = watches;
    // SmsNumbers of a namespace that cannot be listed do not count as gone, although none of them is in the store.
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
   * Ends a claim whose SmsNumber is gone. If no webhook was saved and no update was answered, no update was sent: the
   * former webhook is saved before that. (A number without a former webhook has nothing to save. For such a number an
   * update that was sent and never answered stays unnoticed here.) In all other cases the number is owed: an update may
   * have taken effect at Twilio although the record does not say so.
   */
  async #dropClaim(claim: ClaimRecord): Promise<void> {
    const { previous, records, onLetGo } = this.#options;
    const { signal } = this.#stop;
    if (claim.configured !== undefined || (await previous.read(claim.uid, signal)) !== undefined)
      return await this.#tell(claim);
    // The Secret with the saved webhook may exist although it could not be read. It is deleted before the claim is
    // removed, because only the claim shows that the Secret may exist.
    await previous.remove(claim.uid, signal);
    try {
      await records.dropClaim(claim.phoneNumberSid);
    } finally {
      // Others are woken also when the write failed: memory no longer has the claim, so no later run would wake them.
      onLetGo(claim);
    }
  }

  /**
   * Records as owed a number whose SmsNumber is gone because a user removed its finalizer. That user meant to let go of
   * the number, but may not know what stays at Twilio, so this is logged and counted.
   */
  async #tell(held: HeldNumber): Promise<void> {
    const { log, previous, metrics, onLetGo } = this.#options;
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
    onLetGo(held);
    metrics.countLetGo(reason);
    const fields = letGoFields({ reason, why: "its finalizer was removed by hand" }, left);
    log.warn(
      { kind: "SmsNumber", namespace, name, ...fields },
      "number let go; its webhook at twilio may still lead to this cluster",
    );
  }

  /** Deletes the record and the saved webhook of a number that nobody has held for 90 days. */
  async #drop(owed: OwedRecord): Promise<void> {
    const { log, previous, records } = this.#options;
    const { number, phoneNumberSid, accountSid } = owed;
    await previous.dropKept(owed, this.#stop.signal);
    // The line is logged before the record is removed. If the write of the removal failed, the record would be gone
    // from memory, and the deletion would never be logged.
    log.warn(
      { number, phoneNumberSid, accountSid },
      "saved webhook deleted: nobody has held its number for 90 days",
    );
    await records.dropOwed(phoneNumberSid);
  }
}

/**
 * How long a saved webhook is kept for a number that no SmsNumber holds. It is not kept for ever, because its URL can
 * hold a password (ADR 31).
 */
export const KEPT_MS = 90 * 86_400_000;

/** What the upkeep does with a number that is owed. Pure. */
export function owedUpkeep(owed: OwedRecord, isGone: boolean, now: number): "keep" | "tell" | "drop" {
  if (owed.isGone !== true) return isGone ? "tell" : "keep";
  return now - owed.sinceMs >= KEPT_MS ? "drop" : "keep";
}
