import type { Clock } from "../../clock.ts";
import type { RequestRecord } from "../control/request-log.ts";
import type { WebhookDelivery } from "../webhooks/webhook-caller.ts";
import { Region } from "./region.ts";

/** What becomes of texts to a customer's number; unlisted ones are delivered. */
export type Handset =
  | { outcome: "delivered" }
  /** The carrier says no: the text ends `undelivered`, or `failed` before it is sent. */
  | { outcome: "undelivered" | "failed"; errorCode: number }
  /** No delivery receipt ever comes: the text stays `sent`. */
  | { outcome: "silent" };

export interface Timing {
  /** From `sending` to `sent`. */
  sendingMs: number;
  /** From `sent` to the carrier's receipt. */
  receiptMs: number;
  /** How long `GET Messages` does not show a new message that can already be fetched by its SID. */
  messageListLagMs: number;
  /** A sender's queue holds this much; more is refused with 21611, or fails with 30001 in a Messaging Service. */
  longestQueueMs: number;
}

const timing: Timing = { sendingMs: 50, receiptMs: 250, messageListLagMs: 0, longestQueueMs: 36_000_000 };
/** Logs end somewhere: a benchmark must not grow the simulator without bound. */
const MOST_RECORDS = 50_000;

/**
 * Everything that the simulated Twilio knows, for tests to read and change directly. It is the region us1; other regions
 * are made on first use by `region(name)`.
 */
export class SimulatorState extends Region {
  readonly timing: Timing = { ...timing };
  readonly handsets = new Map<string, Handset>();
  /** The region that handles a number's texts (`routes.twilio.com`); unlisted ones: us1. */
  readonly messagingRegions = new Map<string, string>();
  readonly requests: RequestRecord[] = [];
  readonly webhookDeliveries: WebhookDelivery[] = [];
  readonly #others = new Map<string, Region>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    super("us1", () => clock.now());
    this.#clock = clock;
  }

  /** A region by its name, empty when nobody has put anything there. */
  region(name: string): Region {
    if (name === this.name) return this;
    const region = this.#others.get(name) ?? new Region(name, () => this.#clock.now());
    this.#others.set(name, region);
    return region;
  }

  get regions(): Region[] {
    return [this, ...this.#others.values()];
  }

  /**
   * The same accounts and numbers in another region, as Twilio has them: same SIDs, own tokens (the us1 token with the
   * region's name behind it), no webhooks.
   */
  mirrorInto(name: string): Region {
    const region = this.region(name);
    for (const account of this.accounts.values())
      region.addAccount({
        ...account,
        authToken: `${account.authToken}-${name}`,
        secondaryAuthToken: undefined,
      });
    for (const number of this.numbers)
      region.addNumber({ ...structuredClone(number), smsUrl: "", smsFallbackUrl: "" });
    return region;
  }

  /** The region that a text to this number reaches. */
  regionOf(address: string): Region {
    return this.region(this.messagingRegions.get(address) ?? this.name);
  }

  recordRequest(record: RequestRecord): void {
    keepNewest(this.requests, record);
  }
  recordDelivery(delivery: WebhookDelivery): void {
    keepNewest(this.webhookDeliveries, delivery);
  }

  override clear(): void {
    super.clear();
    Object.assign(this.timing, timing);
    for (const map of [this.handsets, this.messagingRegions, this.#others]) map.clear();
    this.requests.length = 0;
    this.webhookDeliveries.length = 0;
  }
}

function keepNewest<T>(rows: T[], row: T): void {
  if (rows.length >= MOST_RECORDS) rows.splice(0, MOST_RECORDS / 10);
  rows.push(row);
}
