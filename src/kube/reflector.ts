import type { WatchEvent } from "./client.ts";
import type { StatusBody } from "./errors.ts";
import type { KubeObject, ObjectMeta } from "./resource.ts";

/**
 * How a watched collection is kept equal to the server's, as a pure state machine: list by pages, watch from there, and after
 * anything that goes wrong resume from where it was, or list anew where the server has forgotten that place. It never ends.
 */
export type State =
  | { phase: "listing"; attempt: number; paged: boolean; continue: string | undefined }
  | { phase: "watching"; attempt: number; resourceVersion: string }
  | { phase: "waiting"; attempt: number; next: State };

/** What happened, as the shell around this machine saw it. */
export type Input<T extends KubeObject> =
  | { type: "page"; items: T[]; resourceVersion: string; continue: string | undefined }
  | { type: "event"; event: WatchEvent<T> }
  /** The watch ended without an error, or because it was silent for too long. */
  | { type: "ended"; livedMs: number }
  | { type: "failed"; error: Failed; livedMs: number }
  | { type: "waited" };

export interface Failed {
  status: number;
  reason: string;
  message: string;
  retryAfterMs?: number | undefined;
}

/** What is to be done next; the one before has ended by then. */
export type Action =
  | { do: "list"; continue: string | undefined; limit: number }
  | { do: "watch"; resourceVersion: string; timeoutSeconds: number }
  | { do: "wait"; ms: number };

/** What the store learns. `listed`: the pages since `firstPage` were everything; what was not among them is gone. */
export type News<T extends KubeObject> =
  | { type: "page"; items: T[]; first: boolean; last: boolean }
  | { type: "upsert"; object: T }
  | { type: "remove"; object: { metadata: ObjectMeta } };

export interface Step<T extends KubeObject> {
  state: State;
  news?: News<T>;
  /** Absent: go on with what is being done. */
  action?: Action;
  /** Set by a failure, as a sentence for a person; "" clears it. */
  problem?: string;
}

const PAGE = 500;
const MIN_BACKOFF_MS = 500;
/** No wait is longer, so that this is the most that passes after contact is possible again. */
const MAX_BACKOFF_MS = 30_000;
/** A server that asks for more than this is not believed: one wrong header must not end the watch for a day. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
/** A watch that lived as long as this worked; one that ends sooner, again and again, must not become a storm. */
const LIVELY_MS = 2000;

export function start(): { state: State; action: Action } {
  const state: State = { phase: "listing", attempt: 0, paged: true, continue: undefined };
  return { state, action: actionOf(state, 0) };
}

/** `chance` in [0, 1) spreads waits and watch durations, so that a thousand clients do not come back at once. */
export function step<T extends KubeObject>(state: State, input: Input<T>, chance: number): Step<T> {
  if (state.phase === "waiting") return go(state.next, chance);
  if (input.type === "failed") return failed(state, input.error, input.livedMs, chance);
  if (state.phase === "listing") return input.type === "page" ? listed(state, input, chance) : { state };
  if (input.type === "ended") return ended(state, input.livedMs, chance);
  return input.type === "event" ? heard(state, input.event, chance) : { state };
}

function listed<T extends KubeObject>(
  state: Extract<State, { phase: "listing" }>,
  page: Extract<Input<T>, { type: "page" }>,
  chance: number,
): Step<T> {
  const last = page.continue === undefined;
  const news: News<T> = { type: "page", items: page.items, first: state.continue === undefined, last };
  const next: State = last
    ? { phase: "watching", attempt: state.attempt, resourceVersion: page.resourceVersion }
    : { ...state, continue: page.continue };
  return { ...go<T>(next, chance), news, problem: "" };
}

function heard<T extends KubeObject>(
  state: Extract<State, { phase: "watching" }>,
  event: WatchEvent<T>,
  chance: number,
): Step<T> {
  if (event.type === "ERROR") return failed(state, errorOf(event.object), 0, chance);
  const resourceVersion = event.object.metadata.resourceVersion ?? state.resourceVersion;
  const next: State = { phase: "watching", attempt: 0, resourceVersion };
  if (event.type === "BOOKMARK") return { state: next, problem: "" };
  const news: News<T> = { type: event.type === "DELETED" ? "remove" : "upsert", object: event.object };
  return { state: next, news, problem: "" };
}

/** The server ends watches all the time (timeoutSeconds, a restart): the next follows at once from the same place. */
function ended<T extends KubeObject>(
  state: Extract<State, { phase: "watching" }>,
  livedMs: number,
  chance: number,
): Step<T> {
  const fresh: State = { ...state, attempt: 0 };
  if (livedMs >= LIVELY_MS) return { ...go<T>(fresh, chance), problem: "" };
  return pause({ ...fresh, attempt: state.attempt }, undefined, chance);
}

function failed<T extends KubeObject>(
  state: Exclude<State, { phase: "waiting" }>,
  error: Failed,
  livedMs: number,
  chance: number,
): Step<T> {
  const problem = problemOf(state, error);
  if (forgotten(error)) {
    // A continue token expires when paging takes longer than etcd keeps history; when that happens twice, ask for all at once.
    const twice = state.phase === "listing" && state.continue === undefined;
    const paged = state.phase === "listing" ? state.paged && !twice : true;
    const anew: State = { phase: "listing", attempt: state.attempt, paged, continue: undefined };
    // From a watch that had worked it is the ordinary end of a long silence: no wait. The one after this list must work before
    // that is so again, else a server that forgets at once would be asked for list after list.
    return state.phase === "watching" && state.attempt === 0
      ? go({ ...anew, attempt: 1 }, chance)
      : { ...pause(anew, error, chance), problem };
  }
  if (state.phase === "listing") return { ...pause(state, error, chance), problem };
  const attempt = livedMs >= LIVELY_MS ? 0 : state.attempt;
  return { ...pause({ ...state, attempt }, error, chance), problem };
}

/** The place from which we read is no longer, or not yet, known to the server: only a list helps. */
function forgotten({ status, reason, message }: Failed): boolean {
  if (status === 410 || reason === "Expired" || reason === "Gone") return true;
  // After a restore of etcd its versions are behind ours.
  return status === 400 || (status === 504 && /too large resource version/i.test(message));
}

function pause<T extends KubeObject>(
  next: Exclude<State, { phase: "waiting" }>,
  error: Failed | undefined,
  chance: number,
): Step<T> {
  const attempt = next.attempt + 1;
  const backoff =
    Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(attempt - 1, 20)) * (1 - chance / 2);
  const asked = Math.min(error?.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS);
  // Who was told the same time as everybody else comes a little later than told, and not all together.
  const ms = Math.round(Math.max(backoff, asked * (1 + chance / 5)));
  return { state: { phase: "waiting", attempt, next: { ...next, attempt } }, action: { do: "wait", ms } };
}

function go<T extends KubeObject>(state: State, chance: number): Step<T> {
  return { state, action: actionOf(state, chance) };
}

function actionOf(state: State, chance: number): Action {
  switch (state.phase) {
    case "listing":
      return { do: "list", continue: state.continue, limit: state.paged ? PAGE : 0 };
    case "watching":
      return {
        do: "watch",
        resourceVersion: state.resourceVersion,
        timeoutSeconds: 300 + Math.floor(chance * 300),
      };
    case "waiting":
      return { do: "wait", ms: 0 };
  }
}

function errorOf(body: StatusBody): Failed {
  return { status: body.code ?? 0, reason: body.reason ?? "", message: body.message ?? "" };
}

function problemOf(state: State, { status, reason, message }: Failed): string {
  const doing = state.phase === "listing" ? "list" : "watch";
  if (status === 403) return `may not ${doing} (Forbidden): grant this account list and watch`;
  if (status === 404)
    return `cannot ${doing}: the API server does not know the kind; are the CRDs installed?`;
  if (status === 401) return `cannot ${doing}: the API server does not accept this account's credentials`;
  return `cannot ${doing}: ${reason === "Network" || reason === "Timeout" ? message : `${status} ${reason}`}`;
}
