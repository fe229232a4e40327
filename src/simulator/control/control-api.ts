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

/** The functions that the control API offers over HTTP. Tests call them directly. */
export interface Controls {
  /** Delivers a text from a customer. Resolves when a webhook has answered, or when it is clear that no webhook will answer. */
  inbound(text: InboundText): Promise<InboundDelivery>;
  /** Arms faults, in addition to those already armed. */
  faults(fault: SimulatedFault | SimulatedFault[]): void;
  /** The armed faults that have not ended. */
  armedFaults(): SimulatedFault[];
  clearFaults(): void;
  /** The calls of the simulated API, oldest first. */
  requests(): RequestRecord[];
  clearRequests(): void;
  /** Restores the seed. Drops faults, logs and texts that are being sent. */
  reset(): void;
}

type ControlHandler = (body: string) => unknown;

/**
 * The control API under `/_simulator/`. It takes and answers JSON and needs no credentials. Invalid input gets a 400 with a sentence that
 * says what is wrong.
 */
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
    const route = own(this.#routes, url.pathname.slice("/_simulator/".length));
    const handler = route && own(route, request.method ?? "GET");
    // The body is read even when the request is refused, because the connection cannot be reused before the body was read.
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
      // An error that is not an InputError is a bug in the simulator. The server logs it and closes the connection.
      if (!(error instanceof InputError)) throw error;
      sendJson(response, 400, { error: error.message });
    }
  }

  /**
   * Sends the content of media. The media URLs of the API redirect to this path. As at Twilio's media storage, only a client that knows the
   * SIDs in the path can read it.
   */
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

/** The value of a key that the object itself has. Inherited keys do not count: otherwise `constructor` would be a route. */
const own = <T>(object: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

/** Sends JSON. Its last character is a newline, so that a shell's prompt after curl starts on a new line. */
function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (status === 204) response.writeHead(204).end();
  else response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
