import type { RouteEvidence } from "../../inbox/evidence.ts";
import { routeKey } from "../../routes/route.ts";
import { isSilent, type Pace, paced } from "./pace.ts";

interface TokenSeen {
  first: number;
  last: number;
}

/** A receiver that was broken into can name routes and tokens without end. There are 10,000 routes, each with a few tokens. */
const [MOST_ROUTES, MOST_TOKENS] = [50_000, 64];

/**
 * When texts of which route, signed by which token, were accepted, as far as it is still asked for: what has been silent for
 * `keepMs` is forgotten, as if this process had begun only then. Routes and tokens come and go, and rows of routes that this
 * release does not know are among those that are read.
 */
export class TextsSeen {
  readonly #keepMs: number;
  readonly #routes = new Map<string, Map<string, TokenSeen>>();
  readonly #paces = new Map<string, Pace>();

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** Gives the route's key when this is news of it. Beyond the bounds nothing is noted of what is not known yet. */
  note({ tokenFingerprint, lastAcceptedAtMs: at, ...route }: RouteEvidence): string | undefined {
    if (at === undefined) return undefined;
    const key = routeKey(route);
    if (!this.#hasRoom(key, tokenFingerprint)) return undefined;
    const news =
      at > (this.lastAcceptedAt(key) ?? 0) || this.firstAcceptedAt(key, tokenFingerprint) === undefined;
    const tokens = this.#routes.get(key) ?? new Map<string, TokenSeen>();
    this.#routes.set(key, tokens);
    const { first, last } = tokens.get(tokenFingerprint) ?? { first: at, last: at };
    tokens.set(tokenFingerprint, { first: Math.min(first, at), last: Math.max(last, at) });
    this.#paces.set(key, paced(this.#paces.get(key), at));
    return news ? key : undefined;
  }

  #hasRoom(key: string, tokenFingerprint: string): boolean {
    const tokens = this.#routes.get(key);
    if (tokens === undefined) return this.#routes.size < MOST_ROUTES;
    return tokens.has(tokenFingerprint) || tokens.size < MOST_TOKENS;
  }

  forgetSilent(now: number) {
    for (const [key, tokens] of this.#routes) {
      for (const [fingerprint, { last }] of tokens) if (now - last > this.#keepMs) tokens.delete(fingerprint);
      if (tokens.size > 0) continue;
      this.#routes.delete(key);
      this.#paces.delete(key);
    }
  }

  /** Routes whose texts used to come and come no more, each told once until its next text. */
  fallenSilent(now: number): string[] {
    const fallen = [...this.#paces].filter(([, pace]) => !pace.told && isSilent(pace, now));
    for (const [key, pace] of fallen) this.#paces.set(key, { ...pace, told: true });
    return fallen.map(([key]) => key);
  }

  lastAcceptedAt(key: string): number | undefined {
    const tokens = this.#routes.get(key);
    return tokens === undefined ? undefined : Math.max(...[...tokens.values()].map(({ last }) => last));
  }

  firstAcceptedAt(key: string, fingerprint: string): number | undefined {
    return this.#routes.get(key)?.get(fingerprint)?.first;
  }
}
