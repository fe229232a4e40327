/**
 * Twilio's connection overrides, in the fragment of a webhook URL, which is neither sent nor signed. They ask Twilio to connect within 2
 * s, to read within 4.5 s and to retry twice, after every kind of failure. By default Twilio retries once and only when it cannot connect,
 * so a 503 during a rollout would lose the text. Three attempts of 4.5 s fit into the 15 s that Twilio gives a webhook in all.
 * https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
 */
export const CONNECTION_OVERRIDES = "#ct=2000&rt=4500&rc=2&rp=all";

/** The URL without its fragment: the part of a webhook URL that is called and signed. */
export function withoutFragment(url: string): string {
  const hash = url.indexOf("#");
  return hash < 0 ? url : url.slice(0, hash);
}
