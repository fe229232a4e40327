import type { IncomingMessage, ServerResponse } from "node:http";
import { mediaPath } from "../api/endpoints/media.ts";
import type { SimulatedFault } from "../faults/faults.ts";
import type { InboundDelivery, InboundText } from "../messages/inbound.ts";
import { readBody } from "../read-body.ts";
import type { Media } from "../state/resources.ts";
import type { SimulatorState } from "../state/state.ts";
import { InputError, readFaults, readInbound } from "./input.ts";
import type { RequestRecord } from "./request-log.ts";
import { describeState } from "./state-view.ts";

/** What the control API can do. Tests call the same functions directly. */
export interface Controls {
  /** A text comes in. Resolves when a webhook has answered, or none will. */
  inbound(text: InboundText): Promise<InboundDelivery>;
  /** Arms faults, in addition to those already armed. */
  faults(fault: SimulatedFault | SimulatedFault[]): void;
  armedFaults(): SimulatedFault[];
  clearFaults(): void;
  /** Oldest first. */
  requests(): RequestRecord[];
  clearRequests(): void;
  /** Restores the seed and drops faults, logs and texts on their way. */
  reset(): void;
}

type ControlHandler = (body: string) => unknown;

/** The control API under `/_simulator/`: JSON in and out, no credentials. Invalid input is answered with 400 and a sentence. */
export class ControlApi {
  readonly #state: SimulatorState;
  readonly #routes: Record<string, Record<string, ControlHandler>>;

  constructor(state: SimulatorState, controls: Controls) {
    this.#state = state;
    this.#routes = {
      inbound: { POST: (body) => controls.inbound(readInbound(body)) },
      faults: {
        GET: () => ({ faults: controls.armedFaults() }),
        POST: (body) => {
          controls.faults(readFaults(body));
          return { faults: controls.armedFaults() };
        },
        DELETE: () => controls.clearFaults(),
      },
      requests: { GET: () => ({ requests: controls.requests() }), DELETE: () => controls.clearRequests() },
      reset: { POST: () => controls.reset() },
      state: { GET: () => describeState(state) },
    };
  }

  async handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    if (url.pathname.startsWith(mediaPath)) return this.#sendMedia(response, url.pathname);
    const route = this.#routes[url.pathname.slice("/_simulator/".length)];
    const handler = route?.[request.method ?? "GET"];
    // Also for a request that is refused: the connection can be reused only after its body was read.
    const body = await readBody(request);
    if (route === undefined) {
      const known = Object.keys(this.#routes).join(", ");
      return sendJson(response, 404, { error: `There is no ${url.pathname}; the control API has ${known}.` });
    }
    if (handler === undefined)
      return sendJson(response, 405, { error: `${url.pathname} takes ${Object.keys(route).join(" and ")}.` });
    try {
      const result = await handler(body);
      sendJson(response, result === undefined ? 204 : 200, result);
    } catch (error) {
      // Anything else is a mistake of ours; the server logs it and closes the connection.
      if (!(error instanceof InputError)) throw error;
      sendJson(response, 400, { error: error.message });
    }
  }

  /** Media URLs of the API redirect here. As at Twilio's storage, the SIDs in the path are the only protection. */
  #sendMedia(response: ServerResponse, path: string) {
    const [messageSid = "", mediaSid = ""] = path.slice(mediaPath.length).split("/");
    const found: Media | undefined = this.#state.regions
      .map((region) => region.messages.get(messageSid))
      .flatMap((message) => message?.media ?? [])
      .find(({ sid }) => sid === mediaSid);
    if (found === undefined) return sendJson(response, 404, { error: "There is no such media." });
    response.writeHead(200, { "content-type": found.contentType, "content-length": found.content.length });
    response.end(found.content);
  }
}

/** A newline at the end keeps the answer apart from the prompt when curl is used by hand. */
function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (status === 204) response.writeHead(204).end();
  else response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
