import { BlockList, isIP } from "node:net";

/** Addresses that Twilio does not call: loopback, private, link-local, multicast and reserved addresses. */
const unreachable = new BlockList();
for (const [net, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["224.0.0.0", 3],
] as const)
  unreachable.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  unreachable.addSubnet(net, prefix, "ipv6");

/** One label of a host name: the part between two dots. */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Whether Twilio would accept this webhook URL: an absolute http or https URL with a public host. */
export function isWebhookUrl(text: string, { allowLocalUrls }: { allowLocalUrls: boolean }): boolean {
  if (!/^https?:\/\/[^\s]+$/i.test(text) || !URL.canParse(text)) return false;
  const { hostname } = new URL(text);
  if (isAddress(hostname)) return allowLocalUrls || !isLocalAddress(hostname);
  const labels = hostname.replace(/\.$/, "").split(".");
  // `new URL` accepts underscores in a host name, but Twilio does not.
  if (!labels.every((part) => label.test(part))) return false;
  // A name without a dot, and a name that ends in .local or .localhost, exists only inside a network.
  return allowLocalUrls || (labels.length > 1 && !["localhost", "local"].includes(labels.at(-1)!));
}

const bare = (hostname: string) => hostname.replace(/^\[|\]$/g, "");
const isAddress = (hostname: string) => isIP(bare(hostname)) !== 0;

/** Whether only this machine or its network can reach the IP address. An IPv4-mapped IPv6 address is checked against the IPv4 ranges. */
function isLocalAddress(hostname: string): boolean {
  const address = bare(hostname);
  return unreachable.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}
