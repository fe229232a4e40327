/**
 * Twilio's connection overrides, in the URL's fragment, which is neither sent nor signed: connect within 2 s, read
 * within 4.5 s, two retries, for every kind of failure. By default Twilio retries once and only when it cannot
 * connect, so a 503 during a rollout would lose the text. Three attempts of 4.5 s fit into the 15 s that Twilio
 * gives a webhook in all. https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
 */
export const CONNECTION_OVERRIDES = "#ct=2000&rt=4500&rc=2&rp=all";

/** The address itself: the part of a webhook's URL that is called and signed. */
export function withoutFragment(url: string): string {
  const hash = url.indexOf("#");
  return hash < 0 ? url : url.slice(0, hash);
}
