import { isIP } from "node:net";

/**
 * Says in a sentence why Twilio would not call this PUBLIC_URL. Undefined when Twilio would call it. Twilio refuses private addresses,
 * host names without a dot or with an underscore, and anything but http and https (errors 21402, 11100, 11205).
 */
export function publicUrlProblem(text: string, allowInsecure: boolean): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return "PUBLIC_URL is not an absolute URL; write one such as https://sms.example.com";
  }
  if (url.protocol !== "https:" && !(allowInsecure && url.protocol === "http:"))
    return "PUBLIC_URL must begin with https://, because anybody on the way could read and forge texts sent over plain http";
  if (url.username !== "" || url.password !== "") return "PUBLIC_URL must not hold a user name or password";
  if (url.search !== "" || url.hash !== "") return "PUBLIC_URL must not have a query or a fragment";
  if (allowInsecure) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0)
    return isPrivate(host) ? "PUBLIC_URL is a private address, which Twilio does not call" : undefined;
  if (host.includes("_")) return "PUBLIC_URL's host name has an underscore, which Twilio does not accept";
  if (!host.includes(".") || /(^|\.)(localhost|local|internal|svc|cluster)$/.test(host))
    return "PUBLIC_URL's host name is known only inside the cluster; Twilio needs a public host name";
  return undefined;
}

function isPrivate(ip: string): boolean {
  return (
    /^(10\.|127\.|0\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(
      ip,
    ) || /^(::1?$|f[cd]|fe[89ab])/i.test(ip)
  );
}
