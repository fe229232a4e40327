import type { WatchEvent } from "./client.ts";
import type { KubeObject, ObjectMeta } from "./resource.ts";
import { isOlder } from "./versions.ts";
import { errorOf, type Failed, isForgotten, problemOf, SILENCE } from "./watch-failure.ts";

/**
 * How a watched collection is kept equal to the server's, as a pure state machine: list by pages, watch from there, and after
 * anything that goes wrong ask how far the server is and resume, or list anew where it has forgotten that place, or has not
 * come so far: after a backup was restored, a watch from a version of the future is accepted and says nothing. It never ends.
 */
export type ReflectorState =
  | {
      phase: "listing";
      attempt: number;
      limit: number;
      continue: string | undefined;
      /** The newest version that was seen before this list. */
      since: string | undefined;
      /** The watch was given up for its silence, and nothing has been heard from one since. */
      quiet: boolean;
      /** Another watch of the same server found out that it was set back. */
      distrusted: boolean;
    }
  | { phase: "watching"; attempt: number; resourceVersion: string; quiet: boolean }
  /** Before a watch is resumed. */
  | { phase: "asking"; attempt: number; resourceVersion: string; quiet: boolean }
  | { phase: "waiting"; attempt: number; next: ReflectorState };

/** What happened, as the shell around this machine saw it. */
export type ReflectorInput<T extends KubeObject> =
  | { type: "page"; items: T[]; resourceVersion: string; continue: string | undefined }
  | { type: "event"; event: WatchEvent<T> }
  /** How far the server is. `silent`: nothing was heard of the collection for longer than a watch that works is silent. */
  | { type: "version"; resourceVersion: string; silent: boolean }
  /** The watch ended without an error. */
  | { type: "ended"; livedMs: number }
  /** Neither an event nor a bookmark came for too long, and the watch was given up. */
  | { type: "silent" }
  /**
   * Another watch found that the server was set back. The version of this watch need not show it: the server may have counted
   * past that version since.
   */
  | { type: "distrusted" }
  | { type: "failed"; error: Failed; livedMs: number }
  | { type: "waited" };

/** What is to be done next; the one before has ended by then. */
export type ReflectorAction =
  | { do: "list"; continue: string | undefined; limit: number }
  /** `quiet`: that it can be opened says nothing, the one before was open as well. */
  | { do: "watch"; resourceVersion: string; timeoutSeconds: number; quiet: boolean }
  /** For the server's present version. */
  | { do: "ask" }
  | { do: "wait"; ms: number };

/**
 * What the store learns. After the `last` page everything was told since the `first`; what was not among it is gone.
 * `rewound`: the server was set back, so a version that is the same need not be the same object. `found`: this watch's
 * own versions show it, and others must be told.
 */
export type ReflectorNews<T extends KubeObject> =
  | { type: "page"; items: T[]; first: boolean; last: boolean; rewound: boolean; found: boolean }
  | { type: "upsert"; object: T }
  | { type: "remove"; object: { metadata: ObjectMeta } };

export interface ReflectorStep<T extends KubeObject> {
  state: ReflectorState;
  news?: ReflectorNews<T>;
  /** Absent: go on with what is being done. */
  action?: ReflectorAction;
  /** Set by a failure, as a sentence for a person; "" clears it. */
  problem?: string;
}

const PAGE = 500;
const EVERYTHING = 0;
const MIN_BACKOFF_MS = 500;
/** No wait is longer, so that this is the most that passes after contact is possible again. */
const MAX_BACKOFF_MS = 30_000;
/** A server that asks for more than this is not believed: one wrong header must not end the watch for a day. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
/** A watch that lived as long as this worked; one that ends sooner, again and again, must not become a storm. */
const LIVELY_MS = 2000;

export function start(): { state: ReflectorState; action: ReflectorAction } {
  const state: ReflectorState = {
    phase: "listing",
    attempt: 0,
    limit: PAGE,
    continue: undefined,
    since: undefined,
    quiet: false,
    distrusted: false,
  };
  return { state, action: actionOf(state, 0) };
}

/** `chance` in [0, 1) spreads waits and watch durations, so that a thousand clients do not come back at once. */
export function step<T extends KubeObject>(
  state: ReflectorState,
  input: ReflectorInput<T>,
  chance: number,
): ReflectorStep<T> {
  if (input.type === "distrusted") return go(distrusted(state), chance);
  if (state.phase === "waiting") return go(state.next, chance);
  if (input.type === "failed") return failed(state, input.error, input.livedMs, chance);
  if (state.phase === "listing") return input.type === "page" ? listed(state, input, chance) : { state };
  if (state.phase === "asking") return input.type === "version" ? told(state, input, chance) : { state };
  if (input.type === "ended") return ended(state, input.livedMs, chance);
  if (input.type === "silent")
    return { ...go<T>({ ...state, phase: "asking", quiet: true }, chance), problem: SILENCE };
  return input.type === "event" ? heard(state, input.event, chance) : { state };
}

function listed<T extends KubeObject>(
  state: Extract<ReflectorState, { phase: "listing" }>,
  page: Extract<ReflectorInput<T>, { type: "page" }>,
  chance: number,
): ReflectorStep<T> {
  const last = page.continue === undefined;
  const first = state.continue === undefined;
  const isBehind = state.since !== undefined && isOlder(page.resourceVersion, state.since) === true;
  const found = isBehind && !state.distrusted;
  const rewound = isBehind || state.distrusted;
  const news: ReflectorNews<T> = { type: "page", items: page.items, first, last, rewound, found };
  const next: ReflectorState = last
    ? {
        phase: "watching",
        attempt: state.attempt,
        resourceVersion: page.resourceVersion,
        quiet: state.quiet,
      }
    : { ...state, continue: page.continue };
  return { ...go<T>(next, chance), news, problem: state.quiet ? SILENCE : "" };
}

function heard<T extends KubeObject>(
  state: Extract<ReflectorState, { phase: "watching" }>,
  event: WatchEvent<T>,
  chance: number,
): ReflectorStep<T> {
  if (event.type === "ERROR") return failed(state, errorOf(event.object), 0, chance);
  const resourceVersion = event.object.metadata.resourceVersion ?? state.resourceVersion;
  if (isOlder(resourceVersion, state.resourceVersion) === true) return backwards(state, chance);
  const next: ReflectorState = { phase: "watching", attempt: 0, resourceVersion, quiet: false };
  if (event.type === "BOOKMARK") return { state: next, problem: "" };
  const news: ReflectorNews<T> = {
    type: event.type === "DELETED" ? "remove" : "upsert",
    object: event.object,
  };
  return { state: next, news, problem: "" };
}

/** The place is good to resume from, unless the server is not there yet, or so much time has passed that it may be again. */
function told<T extends KubeObject>(
  state: Extract<ReflectorState, { phase: "asking" }>,
  { resourceVersion, silent }: Extract<ReflectorInput<T>, { type: "version" }>,
  chance: number,
): ReflectorStep<T> {
  const isBehind = isOlder(resourceVersion, state.resourceVersion) === true;
  return go(silent || isBehind ? anew(state) : { ...state, phase: "watching" }, chance);
}

/** A watch's versions only grow, unless the server was set back under it. A second time in a row waits. */
function backwards<T extends KubeObject>(
  state: Extract<ReflectorState, { phase: "watching" }>,
  chance: number,
): ReflectorStep<T> {
  return state.attempt === 0 ? go(anew(state), chance) : pause(anew(state), undefined, chance);
}

/** The version of this list says whether the server was set back. The watch after it must work before it is as good as new. */
function anew({
  attempt,
  resourceVersion,
  quiet,
}: Extract<ReflectorState, { phase: "asking" | "watching" }>): Extract<ReflectorState, { phase: "listing" }> {
  const since = resourceVersion;
  return {
    phase: "listing",
    attempt: Math.max(1, attempt),
    limit: PAGE,
    continue: undefined,
    since,
    quiet,
    distrusted: false,
  };
}

/** Begun anew also where a list is under way, whose pages may be of before. */
function distrusted(state: ReflectorState): ReflectorState {
  if (state.phase === "waiting") return distrusted(state.next);
  const list = state.phase === "listing" ? state : anew(state);
  return { ...list, continue: undefined, distrusted: true };
}

/** The server ends watches all the time (timeoutSeconds, a restart): the next follows at once from the same place. */
function ended<T extends KubeObject>(
  state: Extract<ReflectorState, { phase: "watching" }>,
  livedMs: number,
  chance: number,
): ReflectorStep<T> {
  if (livedMs < LIVELY_MS) return pause({ ...state, phase: "asking" }, undefined, chance);
  return {
    ...go<T>({ ...state, phase: "asking", attempt: 0 }, chance),
    ...(state.quiet ? {} : { problem: "" }),
  };
}

function failed<T extends KubeObject>(
  state: Exclude<ReflectorState, { phase: "waiting" }>,
  error: Failed,
  livedMs: number,
  chance: number,
): ReflectorStep<T> {
  const problem = problemOf(state.phase === "listing" ? "list" : "watch", error);
  if (isForgotten(error)) {
    // A continue token expires when paging takes longer than etcd keeps history; when that happens twice, ask for all at once.
    const twice = state.phase === "listing" && state.continue === undefined;
    const limit = state.phase !== "listing" ? PAGE : twice ? EVERYTHING : state.limit;
    const { attempt, quiet } = state;
    const since = state.phase === "listing" ? state.since : state.resourceVersion;
    const isDistrusted = state.phase === "listing" && state.distrusted;
    const list = {
      phase: "listing",
      ...{ attempt, limit, since, quiet },
      continue: undefined,
      distrusted: isDistrusted,
    } as const;
    // From a watch that had worked it is the ordinary end of a long silence: no wait. The one after this list must work before
    // that is so again, else a server that forgets at once would be asked for list after list.
    return state.phase === "watching" && state.attempt === 0
      ? go({ ...list, attempt: 1 }, chance)
      : { ...pause(list, error, chance), problem };
  }
  if (state.phase === "listing" && error.reason === "TooLarge" && state.limit > 1)
    return go({ ...state, limit: Math.ceil(state.limit / 4) }, chance);
  if (state.phase !== "watching") return { ...pause(state, error, chance), problem };
  const attempt = livedMs >= LIVELY_MS ? 0 : state.attempt;
  return { ...pause({ ...state, phase: "asking", attempt }, error, chance), problem };
}

function pause<T extends KubeObject>(
  next: Exclude<ReflectorState, { phase: "waiting" }>,
  error: Failed | undefined,
  chance: number,
): ReflectorStep<T> {
  const attempt = next.attempt + 1;
  const backoff =
    Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(attempt - 1, 20)) * (1 - chance / 2);
  const asked = Math.min(error?.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS);
  // Who was told the same time as everybody else comes a little later than told, and not all together.
  const ms = Math.round(Math.max(backoff, asked * (1 + chance / 5)));
  return { state: { phase: "waiting", attempt, next: { ...next, attempt } }, action: { do: "wait", ms } };
}

function go<T extends KubeObject>(state: ReflectorState, chance: number): ReflectorStep<T> {
  return { state, action: actionOf(state, chance) };
}

function actionOf(state: ReflectorState, chance: number): ReflectorAction {
  switch (state.phase) {
    case "listing":
      return { do: "list", continue: state.continue, limit: state.limit };
    case "asking":
      return { do: "ask" };
    case "watching":
      return {
        do: "watch",
        resourceVersion: state.resourceVersion,
        timeoutSeconds: 300 + Math.floor(chance * 300),
        quiet: state.quiet,
      };
    case "waiting":
      return { do: "wait", ms: 0 };
  }
}
