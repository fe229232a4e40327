// Generated from crds/operatinghours.yaml by `npm run generate`. Do not edit.
import type { Condition } from "./shared.gen.ts";

/**
 * What is wanted.
 */
export interface OperatingHoursSpec {
  /**
   * Name of the IANA time zone database in which all times are meant, such as America/New_York, Europe/Vienna or UTC; not an offset and not Local. Daylight saving follows it. Required.
   */
  timeZone: string;
  /**
   * Spans that come every week; two of the same day may touch but not overlap. At most 50. Default: none, so that it is open on dates only.
   *
   * Items: One span, on each of its days.
   */
  weekly?: {
    /**
     * Days of the week, in English; at least one. Required.
     */
    days: ("Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday" | "Sunday")[];
    /**
     * First minute, 00:00 to 23:59, in quotes such as "08:00". Required.
     */
    start: string;
    /**
     * The minute at which it ends, after start and up to 24:00, in quotes such as "17:00". Required.
     */
    end: string;
  }[];
  /**
   * Special openings: on these days only these spans count, whatever the week and the holidays say. Spans of the same day may touch but not overlap. At most 100. Default: none.
   *
   * Items: One span, on one date or on each day of a range.
   */
  dates?: {
    /**
     * The day, as YYYY-MM-DD. Either this, or from and to.
     */
    date?: string;
    /**
     * First day of a range, as YYYY-MM-DD.
     */
    from?: string;
    /**
     * Last day of a range, as YYYY-MM-DD; not before from.
     */
    to?: string;
    /**
     * First minute, 00:00 to 23:59, in quotes such as "08:00". Required.
     */
    start: string;
    /**
     * The minute at which it ends, after start and up to 24:00, in quotes such as "17:00". Required.
     */
    end: string;
  }[];
  /**
   * Days that are closed whatever the week says; the customer gets the Holiday text. At most 200. Default: none.
   *
   * Items: One holiday, of a day or more.
   */
  holidays?: {
    /**
     * What is celebrated, such as New Year. Required.
     */
    name: string;
    /**
     * First day, as YYYY-MM-DD. Required.
     */
    from: string;
    /**
     * Last day, as YYYY-MM-DD; not before from. Default: the same as from.
     */
    to?: string;
  }[];
}

/**
 * What is so. The field manager smschannel-controller/{instance} owns all of it.
 */
export interface OperatingHoursStatus {
  /**
   * The generation of spec that the conditions describe.
   */
  observedGeneration?: number;
  /**
   * The operator's instance that looks after this object.
   */
  managedBy?: string;
  /**
   * Ready; Reconciling and Stalled only while true. See docs/reasons.md. Owned by the controller.
   */
  conditions?: Condition[];
  /**
   * Is it open now?
   */
  open?: boolean;
  /**
   * Why it is open or closed.
   */
  reason?: "Open" | "Closed" | "Holiday";
  /**
   * When that changes; absent when it never does.
   */
  nextTransition?: string;
  /**
   * What changes within the next 14 days, in order; changes of daylight saving too.
   *
   * Items: One change.
   */
  upcoming?: {
    /**
     * When.
     */
    time: string;
    /**
     * Is it open from then on?
     */
    open: boolean;
    /**
     * Why it is open or closed from then on.
     */
    reason: "Open" | "Closed" | "Holiday";
    /**
     * The holiday's name.
     */
    holiday?: string;
    /**
     * Set when clocks change at this time.
     */
    daylightSaving?: "Starts" | "Ends";
  }[];
}
