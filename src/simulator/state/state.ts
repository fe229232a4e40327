import type { Clock } from "../../clock.ts";
import type { RequestRecord } from "../control/request-log.ts";
import type { WebhookDelivery } from "../webhooks/webhook-caller.ts";
import { Region } from "./region.ts";

/** What happens to texts to a customer's number. Texts to a number for which nothing is set are delivered. */
export type Handset =
  | { outcome: "delivered" }
  /** The carrier refuses the text: it ends as `undelivered`, or as `failed` before it is sent. */
  | { outcome: "undelivered" | "failed"; errorCode: number }
  /** No delivery receipt arrives, so the text stays `sent`. */
  | { outcome: "silent" };

/** How long the simulated Twilio takes. Tests may change these times at any moment. */
export interface Timing {
  /** How long a text stays `sending` before it becomes `sent`. */
  sendingMs: number;
  /** How long after `sent` the carrier's delivery receipt arrives. */
  receiptMs: number;
  /** How long a new message is missing from the message list. It can already be fetched by its SID. */
  messageListLagMs: number;
  /**
   * How long it may take to send all texts in a sender's queue. When it takes longer, a further text is refused with Twilio's error 21611,
   * and a text in a Messaging Service fails with error 30001.
   */
  longestQueueMs: number;
}

/**
 * The timing with which a simulator starts. The times are short, so that tests and the demo are fast. Only `longestQueueMs` is as long as
 * at Twilio: ten hours.
 */
const timing: Timing = { sendingMs: 50, receiptMs: 250, messageListLagMs: 0, longestQueueMs: 36_000_000 };
/** How many records each log keeps at most, so that a long benchmark does not use up the memory. */
const MOST_RECORDS = 50_000;

/**
 * The whole state of a simulator. Tests may read and change it directly. The state is itself the region us1, because nearly every test
 * needs only us1. `region(name)` creates another region on first use.
 */
export class SimulatorState extends Region {
  readonly timing: Timing = { ...timing };
  readonly handsets = new Map<string, Handset>();
  /** The region that handles the texts to a number, as set at `routes.twilio.com`. Numbers without an entry belong to us1. */
  readonly messagingRegions = new Map<string, string>();
  readonly requests: RequestRecord[] = [];
  readonly webhookDeliveries: WebhookDelivery[] = [];
  readonly #others = new Map<string, Region>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    super("us1", () => clock.now());
    this.#clock = clock;
  }

  /** The region with this name. It is empty when nothing was put into it. */
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
   * Copies the accounts and numbers into another region, as Twilio does. The copies have the same SIDs, but no webhooks, and different
   * tokens: the us1 token followed by the region's name.
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

  /** The region that handles texts to this number. */
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

/** Adds a row to a log. Drops a tenth of a full log in one step: dropping one row for each new row would move the whole array each time. */
function keepNewest<T>(rows: T[], row: T): void {
  if (rows.length >= MOST_RECORDS) rows.splice(0, MOST_RECORDS / 10);
  rows.push(row);
}
