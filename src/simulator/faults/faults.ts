import type { Clock } from "../../clock.ts";

/** Which API calls a fault strikes. A field that is left out matches every call. */
interface FaultMatch {
  /** The operation's id in Twilio's OpenAPI files, such as `UpdateIncomingPhoneNumber`. */
  operation?: string;
  /** `api`, `messaging`, `conversations` or `accounts`. Some operation ids exist in two products. */
  product?: string;
  method?: string;
  /** The path as Twilio's own host would see it; `*` stands for any characters. */
  path?: string;
  accountSid?: string;
  region?: string;
}

type FaultEffect =
  /**
   * Answers with this status without carrying out the call. `json` is Twilio's error format, `html` is the error page of a proxy in front
   * of Twilio.
   */
  | { kind: "status"; status: number; retryAfterSeconds?: number; body?: "json" | "html" }
  /**
   * Waits `ms`, either before the call is carried out (the default), or after that and before the answer is sent. The call is carried out
   * even if the client hangs up.
   */
  | { kind: "slow"; ms: number; when?: "before" | "after" }
  /** Resets the connection: `before` the request is read, or `after` the call was carried out, in place of the answer. */
  | { kind: "reset"; when: "before" | "after" }
  /** Announces the full length, sends half of the answer and closes the connection. */
  | { kind: "cut" }
  /** Carries out the call and answers 200 with a body that is not JSON. */
  | { kind: "garbage" }
  /** Carries out the call, but the 200 describes another number of the account, or an invented SID if the account has only one number. */
  | { kind: "otherNumber" }
  /** Ignores an update and answers 200 with the unchanged resource, as a cache or a read-only proxy in front of Twilio might. */
  | { kind: "unchanged" }
  /** Gives this URL as the next page of a list. A client must not send its credentials to this URL. */
  | { kind: "nextPage"; url: string }
  /** Leaves this number out of the lists of numbers and short codes, although the account owns it. */
  | { kind: "listLacks"; number: string }
  /** The message list leaves out messages that are younger than `ms`. */
  | { kind: "listLag"; ms: number };

/** A fault: its effect, the calls that it strikes, and how often. Without `count` and `durationMs` it lasts until it is cleared. */
export type SimulatedFault = FaultMatch &
  FaultEffect & {
    /** The fault ends after it has struck this many calls. */
    count?: number;
    /** The fault ends this many milliseconds after it was armed. */
    durationMs?: number;
    /** The fault first spares this many matching calls. */
    after?: number;
  };

/** What is known about a call before its body is read. */
interface FaultSubject {
  operation: string | null;
  product: string;
  method: string;
  path: string;
  accountSid: string | null;
  region: string;
}

interface Armed {
  fault: SimulatedFault;
  /** When the fault ends, on the monotonic clock. */
  until: number;
  /** How many more calls the fault strikes. */
  left: number;
  /** How many more matching calls the fault spares before it strikes one. */
  skip: number;
}

/** The armed faults. A call is struck by at most one fault: the first that matches, in the order in which the faults were armed. */
export class Faults {
  #armed: Armed[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(fault: SimulatedFault): void {
    const until =
      fault.durationMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + fault.durationMs;
    this.#armed.push({ fault, until, left: fault.count ?? Number.POSITIVE_INFINITY, skip: fault.after ?? 0 });
  }

  clear(): void {
    this.#armed = [];
  }

  /** The faults that have not ended. */
  list(): SimulatedFault[] {
    this.#forgetSpent();
    return this.#armed.map(({ fault }) => fault);
  }

  /** Returns the fault that strikes this call, if any, and counts the call towards the fault's `count`. */
  take(subject: FaultSubject): SimulatedFault | undefined {
    this.#forgetSpent();
    for (const armed of this.#armed) {
      if (!matches(armed.fault, subject)) continue;
      if (armed.skip > 0) {
        armed.skip--;
        continue;
      }
      armed.left--;
      return armed.fault;
    }
    return undefined;
  }

  #forgetSpent(): void {
    const now = this.#clock.monotonic();
    this.#armed = this.#armed.filter(({ until, left }) => left > 0 && now < until);
  }
}

function matches(fault: FaultMatch, subject: FaultSubject): boolean {
  return (
    same(fault.operation, subject.operation) &&
    same(fault.product, subject.product) &&
    same(fault.method?.toUpperCase(), subject.method) &&
    same(fault.accountSid, subject.accountSid) &&
    same(fault.region, subject.region) &&
    (fault.path === undefined || glob(fault.path).test(subject.path))
  );
}

const same = (wanted: string | undefined, actual: string | null) => wanted === undefined || wanted === actual;

const glob = (pattern: string) =>
  new RegExp(
    `^${pattern
      .split("*")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*")}$`,
  );
