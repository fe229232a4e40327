/**
 * Explains an answer that did not come from the receiver, or that the receiver gave because it does not know the
 * route. Each message names the usual cause of such an answer and the remedy, because the reader of a condition
 * seldom has the log of the proxy at hand.
 */

import type { ProbeProblem } from "./verdict.ts";

/** An answer that does not prove that the receiver got the challenge. */
export interface ForeignAnswer {
  status: number;
  location?: string | undefined;
  /** The body of the answer. Undefined when it was too long to come from the receiver. */
  body: string | undefined;
}

/**
 * Returns what this answer to a plain POST says about the way to the receiver. The same answer always gives the same
 * text. Pure.
 */
export function refusal(url: string, { status, location, body }: ForeignAnswer): ProbeProblem {
  if (status >= 300 && status < 400) return redirect(url, status, location);
  const isEmpty = body === "";
  // An empty body shows that the receiver itself answered: it answers 403 to a request that it cannot verify, and 503
  // while it starts. It will know the route soon.
  if (status === 403 && isEmpty) return notLoaded(status, REFUSED);
  if (status === 503 && isEmpty) return notLoaded(status, STARTING);
  if (status === 502 || status === 503 || status === 504)
    return {
      reason: "PublicUrlUnreachable",
      message: `something in front of the receiver answers ${status}, as an ingress does when no receiver is ready`,
    };
  return { reason: "PublicUrlNotOurs", message: `the inbound URL ${FOREIGN[status] ?? foreign(status)}` };
}

const notLoaded = (status: number, message: string): ProbeProblem => ({
  reason: "RoutesNotLoaded",
  message: `the receiver does not have this route yet (${status}); ${message}`,
});
const REFUSED =
  "if that stays, something in front of it refuses or changes requests, or the clocks of controller and receiver differ by minutes";
const STARTING = "if that stays, it cannot read its routes, or no receiver is ready behind an ingress";

/**
 * The usual cause and remedy of an answer, by its status. Each text continues a sentence that begins with "the
 * inbound URL".
 */
const FOREIGN: Record<number, string> = {
  200: "is answered by something else (200), such as a web page; let the ingress send /inbound/ and /fallback/ to the receiver",
  401: "asks for a login (401), which Twilio does not have; let /inbound/, /fallback/ and /status/ through without one",
  403: "is refused by something in front of the receiver (403), such as a firewall; let Twilio's requests through",
  404: "leads to nothing (404); let the ingress send /inbound/ and /fallback/ to the receiver",
  405: "is answered by something that accepts no POST (405); let the ingress send /inbound/ and /fallback/ to the receiver",
  407: "is answered by a proxy that asks for a login (407); name its host in NO_PROXY, or set URL_CHECK_ADDRESS",
  413: "is refused by something that accepts only smaller bodies (413); raise its limit to 64 KiB",
  415: "is refused for its content type (415): by a firewall, or because something on the way changes it",
  429: "is refused by a limit of requests (429); Twilio's requests all come from a few addresses and must not be limited",
};

const foreign = (status: number) =>
  `is answered by something else (${status}); let the ingress send /inbound/ and /fallback/ to the receiver`;

/** Words that appear in the addresses of login pages. */
const LOGIN = /\b(log-?in|sign-?in|signon|sso|oauth2?|oidc|openid|saml2?|auth|authorize|adfs|idp|cas)\b/i;

/**
 * The problem when the answer is a redirect. The message says what to do, which depends on where the redirect leads.
 * It names only hosts and our own paths, because a query can hold secrets.
 */
function redirect(url: string, status: number, location: string | undefined): ProbeProblem {
  const problem = (where: string): ProbeProblem => ({
    reason: "PublicUrlRedirects",
    message: `the inbound URL redirects (${status}) ${where}; a redirect turns Twilio's POST into an empty GET`,
  });
  if (location === undefined || !URL.canParse(location, url))
    return problem("without saying where; exempt /inbound/, /fallback/ and /status/ from it");
  const [from, to] = [new URL(url), new URL(location, url)];
  const tail = from.pathname.split("/").slice(-3).join("/");
  if (to.host === from.host && to.protocol === from.protocol && to.pathname === `${from.pathname}/`)
    return problem(
      "to the same path with a slash appended; switch that off for /inbound/, /fallback/ and /status/",
    );
  const moved = to.pathname.replace(/\/+$/, "");
  if (moved.endsWith(`/${tail}`) && !LOGIN.test(to.pathname.slice(0, -tail.length))) {
    const base = to.origin + moved.slice(0, -tail.length - 1);
    return problem(
      base === baseOf(from, tail) ? "to itself; exempt it" : `to ${base}; set PUBLIC_URL to that`,
    );
  }
  const page = LOGIN.test(to.hostname) || LOGIN.test(to.pathname) ? "a login page" : "another page";
  return problem(`to ${page} at ${to.host}; let /inbound/, /fallback/ and /status/ through without it`);
}

const baseOf = ({ origin, pathname }: URL, tail: string) => origin + pathname.slice(0, -tail.length - 1);
