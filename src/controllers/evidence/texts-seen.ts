import type { RouteEvidence } from "../../inbox/evidence.ts";
import { routeKey } from "../../routes/route.ts";
import { isSilent, type Pace, paced } from "./pace.ts";

/** When the first and the last text signed by one token were accepted. */
interface TokenSeen {
  first: number;
  last: number;
}

/**
 * How many routes are noted at most, and how many tokens of one route. An attacker who controls a receiver can report
 * routes and tokens without end. Even ten thousand routes with a few tokens each stay far below these bounds.
 */
const [MOST_ROUTES, MOST_TOKENS] = [50_000, 64];

/**
 * When texts of each route, signed by each token, were accepted. A route or token without texts for `keepMs` is
 * forgotten: routes and tokens come and go, and the reports also name routes that this installation does not know.
 */
export class TextsSeen {
  readonly #keepMs: number;
  readonly #routes = new Map<string, Map<string, TokenSeen>>();
  readonly #paces = new Map<string, Pace>();

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /**
   * Notes one report. Returns the key of the route if the report has a later text of the route or the first text signed
   * by a token, and otherwise undefined. Ignores reports about new routes once there are MOST_ROUTES, and reports about
   * new tokens of a route once it has MOST_TOKENS.
   */
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

  /** Forgets routes and tokens that had no text for `keepMs`. */
  forgetSilent(now: number) {
    for (const [key, tokens] of this.#routes) {
      for (const [fingerprint, { last }] of tokens) if (now - last > this.#keepMs) tokens.delete(fingerprint);
      if (tokens.size > 0) continue;
      this.#routes.delete(key);
      this.#paces.delete(key);
    }
  }

  /**
   * The routes whose texts used to come and no longer do. Each such route is returned once, and again only after its
   * next text.
   */
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
