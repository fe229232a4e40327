/**
 * Keeps a copy of a collection equal to the API server's, as a pure state machine. `Informer` performs the machine's actions
 * (list, watch, ask, wait), reports the results to the machine, and keeps the copy.
 *
 *     listing ── last page ──▶ watching ── ended, failed, silent ──▶ asking ──▶ watching again, from the same place
 *        ▲                        │                                     │
 *        └── place forgotten, or versions that go back ◀────────────────┘
 *
 * After a failure the machine waits before it enters one of these phases; the wait grows with each failure.
 *
 * The protocol is that of Kubernetes:
 * - A list is read by pages. Its `continue` token ties the pages to one snapshot. The list names no resourceVersion, so it
 *   shows the newest state. A list from "any version" could come from a cache that is older than what was already seen.
 * - A watch begins after a resourceVersion, that of the list or of the last event, and sends each change since. So no change is
 *   missed between list and watch, nor between one watch and the next.
 * - The server ends every watch after some minutes (`timeoutSeconds`), to move clients to other servers. That is no failure.
 * - The server keeps the history of about five minutes. It refuses a watch from an older place with 410, and only a new list
 *   helps. In a quiet collection the last event is soon older than that. So the server sends a bookmark about once a minute: an
 *   event without an object, which moves the place on.
 * - After a backup was restored, the server's versions are behind ours. It accepts a watch from a version of the future, but
 *   sends nothing until it has counted past that version (kubernetes/kubernetes#107457). So the server is asked for its present
 *   version before a watch is resumed, and silence leads to a new list: docs/adr/0023.
 *
 * The machine never ends and never gives up: a controller that stopped watching would look healthy and do nothing.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */

import type { WatchEvent } from "../client/client.ts";
import type { KubeObject, ObjectMeta } from "../resource.ts";
import { isOlder } from "./versions.ts";
import { errorOf, type Failed, isForgotten, problemOf, SILENCE } from "./watch-failure.ts";

/** The phase of the machine. `attempt` counts the failures since something last worked; the waits grow with it. */
export type ReflectorState =
  | {
      phase: "listing";
      attempt: number;
      /** Objects per page; 0 asks for all objects in one page. */
      limit: number;
      /** The token of the next page; absent before the first page. */
      continue: string | undefined;
      /** The newest version that was seen before this list. When the list has an earlier version, the server was set back. */
      since: string | undefined;
      /** True when the last watch was closed because it was silent, and nothing has come from a later watch yet. */
      quiet: boolean;
      /**
       * True when another watch found that the same server was set back, so that this list counts as the list after a restore.
       */
      distrusted: boolean;
    }
  | { phase: "watching"; attempt: number; resourceVersion: string; quiet: boolean }
  /** The server was asked for its present version, which is done before a watch is resumed. */
  | { phase: "asking"; attempt: number; resourceVersion: string; quiet: boolean }
  | { phase: "waiting"; attempt: number; next: ReflectorState };

/** A result that the informer reports to the machine. */
export type ReflectorInput<T extends KubeObject> =
  | { type: "page"; items: T[]; resourceVersion: string; continue: string | undefined }
  | { type: "event"; event: WatchEvent<T> }
  /**
   * The server's present version. `silent`: nothing came from the collection for longer than a working watch is ever silent.
   */
  | { type: "version"; resourceVersion: string; silent: boolean }
  /** The watch ended without an error, after `livedMs`. */
  | { type: "ended"; livedMs: number }
  /** Neither an event nor a bookmark came for too long; the informer has closed the watch. */
  | { type: "silent" }
  /**
   * Another watch found that the server was set back. This watch's own version need not show it, because the server may have
   * counted past that version meanwhile.
   */
  | { type: "distrusted" }
  | { type: "failed"; error: Failed; livedMs: number }
  | { type: "waited" };

/** What the informer must do next, after the previous action has ended. */
export type ReflectorAction =
  | { do: "list"; continue: string | undefined; limit: number }
  /**
   * `quiet`: the last watch was silent for too long. That watch could be opened, too, so opening this watch proves nothing.
   */
  | { do: "watch"; resourceVersion: string; timeoutSeconds: number; quiet: boolean }
  /** Asks the server for its present version, which a list of one object shows. */
  | { do: "ask" }
  | { do: "wait"; ms: number };

/**
 * What the store learns. A list is complete with its `last` page: an object on none of its pages was deleted while nobody
 * watched. `rewound`: the server was set back, so the same version need not mean the same object. `found`: this watch's own
 * versions showed that, so the watches of other collections must list again as well.
 */
export type ReflectorNews<T extends KubeObject> =
  | { type: "page"; items: T[]; first: boolean; last: boolean; rewound: boolean; found: boolean }
  | { type: "upsert"; object: T }
  | { type: "remove"; object: { metadata: ObjectMeta } };

export interface ReflectorStep<T extends KubeObject> {
  state: ReflectorState;
  news?: ReflectorNews<T>;
  /** The next action. Absent: the action under way goes on. */
  action?: ReflectorAction;
  /** What is wrong, in a sentence for a person; an empty text clears the problem. */
  problem?: string;
}

/** How many objects a page has at most, as in client-go. */
const PAGE = 500;
/** The value of `limit` that means no limit. */
const EVERYTHING = 0;
const MIN_BACKOFF_MS = 500;
/** The longest wait when no Retry-After asks for a longer one. After the server is back, changes go unnoticed for this long at most. */
const MAX_BACKOFF_MS = 30_000;
/** The longest Retry-After that is obeyed: one wrong header must not stop the watch for a day. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
/**
 * A watch that stayed open for this long has worked. After a shorter watch the machine waits, or it would open one watch after
 * another without a pause.
 */
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

/**
 * The next state, and what to do. `chance` in [0, 1) spreads the waits and the durations of watches: after an API server has
 * restarted, its clients must not all come back in the same second.
 */
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
  // All pages of a list carry the version of its snapshot, so any page shows whether the server was set back.
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
  // A bookmark shows that the watch works, and has the version from which to resume it, but contains nothing for the store.
  if (event.type === "BOOKMARK") return { state: next, problem: "" };
  const news: ReflectorNews<T> = {
    type: event.type === "DELETED" ? "remove" : "upsert",
    object: event.object,
  };
  return { state: next, news, problem: "" };
}

/**
 * Resumes the watch from the last version that was seen, unless the server is behind that version. After a long silence the
 * server's present version proves nothing: a server that was restored meanwhile may have counted past our version, so
 * everything is listed again.
 */
function told<T extends KubeObject>(
  state: Extract<ReflectorState, { phase: "asking" }>,
  { resourceVersion, silent }: Extract<ReflectorInput<T>, { type: "version" }>,
  chance: number,
): ReflectorStep<T> {
  const isBehind = isOlder(resourceVersion, state.resourceVersion) === true;
  return go(silent || isBehind ? anew(state) : { ...state, phase: "watching" }, chance);
}

/**
 * Handles an event that is older than the one before, which means that the server was set back during the watch. A new list
 * follows immediately the first time, and after a wait when such an event comes twice in a row.
 */
function backwards<T extends KubeObject>(
  state: Extract<ReflectorState, { phase: "watching" }>,
  chance: number,
): ReflectorStep<T> {
  return state.attempt === 0 ? go(anew(state), chance) : pause(anew(state), undefined, chance);
}

/**
 * Begins a list whose version will show whether the server was set back. `attempt` is at least 1, so that another failure right
 * after the list leads to a wait. Only a watch that works sets `attempt` back to 0.
 */
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

/**
 * Begins a list after another watch found that the server was set back. A list under way begins again as well, because its
 * first pages may be from before the restore.
 */
function distrusted(state: ReflectorState): ReflectorState {
  if (state.phase === "waiting") return distrusted(state.next);
  const list = state.phase === "listing" ? state : anew(state);
  return { ...list, continue: undefined, distrusted: true };
}

/**
 * Resumes a watch that the server has ended. The server ends watches all the time (`timeoutSeconds`, a restart), so the machine
 * waits only when the watch was very short.
 */
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
    // A continue token expires when paging takes longer than etcd keeps history; then paging begins again. When the version of
    // even the first page has expired, paging cannot work, and all objects are asked for in one page.
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
    // A watch that worked and whose version has expired was only quiet for too long, so the list follows without a wait. That
    // is allowed again only after another watch has worked: otherwise a server that forgets each version immediately would be
    // asked for list after list.
    return state.phase === "watching" && state.attempt === 0
      ? go({ ...list, attempt: 1 }, chance)
      : { ...pause(list, error, chance), problem };
  }
  // The token stays valid, so the smaller page begins where the large page would have begun. The sizes are 500, 125, 32, 8, 2
  // and 1.
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
  // Every client got the same Retry-After, so this client waits for up to a fifth longer, and never for less than was asked
  // for.
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
        // A watch lasts five to ten minutes, as client-go asks for. The durations are spread so that watches do not end at the
        // same moment.
        timeoutSeconds: 300 + Math.floor(chance * 300),
        quiet: state.quiet,
      };
    case "waiting":
      return { do: "wait", ms: 0 };
  }
}
