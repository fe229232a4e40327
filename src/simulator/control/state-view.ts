import type { Region } from "../state/region.ts";
import type { Message } from "../state/resources.ts";
import type { SimulatorState } from "../state/state.ts";

/** The whole state as JSON. Tokens and secrets are left out: the control API has no credentials, so anybody may read it. */
export function describeState(state: SimulatorState): Record<string, unknown> {
  return {
    regions: Object.fromEntries(state.regions.map((region) => [region.name, describeRegion(region)])),
    timing: state.timing,
    handsets: Object.fromEntries(state.handsets),
    messagingRegions: Object.fromEntries(state.messagingRegions),
    webhookDeliveries: state.webhookDeliveries,
  };
}

function describeRegion(region: Region): Record<string, unknown> {
  return {
    accounts: [...region.accounts.values()].map(({ authToken: _, secondaryAuthToken, ...account }) => ({
      ...account,
      isRotating: secondaryAuthToken !== undefined,
    })),
    keys: [...region.keys].map(({ secret: _, ...key }) => key),
    numbers: [...region.numbers].map((number) => ({
      ...number,
      serviceSid: region.serviceOf(number.sid)?.sid ?? null,
    })),
    shortCodes: [...region.shortCodes],
    applications: [...region.applications],
    services: [...region.services],
    addresses: [...region.addresses],
    optedOut: [...region.optedOut],
    messages: [...region.messages].map(describeMessage),
  };
}

/** Describes a message with the size of its media. Their content is left out, because it may be megabytes. */
const describeMessage = ({ media, ...message }: Message) => ({
  ...message,
  media: media.map(({ content, ...rest }) => ({ ...rest, bytes: content.length })),
});
