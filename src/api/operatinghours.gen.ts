// Generated from crds/operatinghours.yaml by `npm run generate`. Do not edit.
import type { Condition } from "./shared.gen.ts";

/**
 * The desired state.
 */
export interface OperatingHoursSpec {
  /**
   * Time zone of all times, as a name of the IANA time zone database, such as America/New_York, Europe/Vienna or UTC. Offsets and Local are refused. Daylight saving follows the time zone. Required.
   */
  timeZone: string;
  /**
   * Spans that repeat every week. Two spans of the same day may touch but not overlap. At most 50. Default: none, so it is open on dates only.
   *
   * Items: One span, on each of its days.
   */
  weekly?: {
    /**
     * Days of the week, in English. At least one. Required.
     */
    days: ("Monday" | "Tuesday" | "Wednesday" | "Thursday" | "Friday" | "Saturday" | "Sunday")[];
    /**
     * Start, 00:00 to 23:59, in quotes such as "08:00". Required.
     */
    start: string;
    /**
     * End, later than start and at most 24:00, in quotes such as "17:00". Required.
     */
    end: string;
  }[];
  /**
   * Special openings. On these days only these spans apply, whatever the week and the holidays say. Spans of the same day may touch but not overlap. At most 100. Default: none.
   *
   * Items: One span, on one date or on each day of a range.
   */
  dates?: {
    /**
     * The day, as YYYY-MM-DD. Set either this, or from and to.
     */
    date?: string;
    /**
     * First day of a range, as YYYY-MM-DD.
     */
    from?: string;
    /**
     * Last day of a range, as YYYY-MM-DD. Not before from.
     */
    to?: string;
    /**
     * Start, 00:00 to 23:59, in quotes such as "08:00". Required.
     */
    start: string;
    /**
     * End, later than start and at most 24:00, in quotes such as "17:00". Required.
     */
    end: string;
  }[];
  /**
   * Days on which it is closed, whatever the week says; the customer gets the Holiday text. At most 200. Default: none.
   *
   * Items: One holiday, of one or more days.
   */
  holidays?: {
    /**
     * Name of the holiday, such as New Year. Required.
     */
    name: string;
    /**
     * First day, as YYYY-MM-DD. Required.
     */
    from: string;
    /**
     * Last day, as YYYY-MM-DD. Not before from. Default: the same as from.
     */
    to?: string;
  }[];
}

/**
 * The observed state. The field manager smschannel-controller/{instance} owns all of it.
 */
export interface OperatingHoursStatus {
  /**
   * The generation of spec that the conditions describe.
   */
  observedGeneration?: number;
  /**
   * The operator's instance that manages this object.
   */
  managedBy?: string;
  /**
   * Ready. Reconciling and Stalled exist only while they are True. See docs/reasons.md. Owned by the controller.
   */
  conditions?: Condition[];
  /**
   * Whether it is open now.
   */
  open?: boolean;
  /**
   * Why it is open or closed.
   */
  reason?: "Open" | "Closed" | "Holiday";
  /**
   * When it opens or closes next. Absent if it never does.
   */
  nextTransition?: string;
  /**
   * Changes within the next 14 days, in order. Includes changes of daylight saving time.
   *
   * Items: One change.
   */
  upcoming?: {
    /**
     * When it happens.
     */
    time: string;
    /**
     * Whether it is open from then on.
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
     * Set if the clocks change at this time.
     */
    daylightSaving?: "Starts" | "Ends";
  }[];
}
