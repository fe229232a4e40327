import type { Clock } from "../../clock.ts";

/** Which API calls a fault strikes; what is left out matches everything. */
interface FaultMatch {
  /** Operation id, such as `UpdateIncomingPhoneNumber`. */
  operation?: string;
  /** `api`, `messaging`, `conversations` or `accounts`: some operation ids exist in two. */
  product?: string;
  method?: string;
  /** The path at Twilio's host; `*` stands for anything. */
  path?: string;
  accountSid?: string;
  region?: string;
}

type FaultEffect =
  /** Answered instead of doing the work. `json` is Twilio's error shape (429: code 20429), `html` what an edge answers. */
  | { kind: "status"; status: number; retryAfterSeconds?: number; body?: "json" | "html" }
  /** Waits `ms` before the work is done, or after it and before the answer; the work is done even if the client left. */
  | { kind: "slow"; ms: number; when?: "before" | "after" }
  /** Resets the connection: before the request is read, or after its work was done and instead of the answer. */
  | { kind: "reset"; when: "before" | "after" }
  /** Announces the whole answer, sends half of it and closes the connection. */
  | { kind: "cut" }
  /** 200 with a body that is no JSON. */
  | { kind: "garbage" }
  /** 200 with the body of another number of the account (or of the same shape, where it has only one). */
  | { kind: "otherNumber" }
  /** An update is not done, and answered 200 with the resource as it was: a cache, or something that only lets reads through. */
  | { kind: "unchanged" }
  /** A list's next page is said to be here: what a client must not follow with its credentials. */
  | { kind: "nextPage"; url: string }
  /** A list of numbers or short codes lacks this one, though the account owns it. */
  | { kind: "listLacks"; number: string }
  /** The list of messages does not show those younger than this. */
  | { kind: "listLag"; ms: number };

/** A fault: what to do, to which calls, how often. Without `count` and `durationMs` it lasts until it is taken away. */
export type SimulatedFault = FaultMatch &
  FaultEffect & {
    /** Strikes this many calls and is gone. */
    count?: number;
    /** Is gone this long after it was set. */
    durationMs?: number;
    /** Lets this many matching calls pass first. */
    after?: number;
  };

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
  until: number;
  left: number;
  skip: number;
}

/** The faults in force. The first armed one that matches a call strikes it; a call is never struck twice. */
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

  /** Those still in force. */
  list(): SimulatedFault[] {
    this.#forgetSpent();
    return this.#armed.map(({ fault }) => fault);
  }

  /** The fault that strikes this call; taking it uses it up by one. */
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
