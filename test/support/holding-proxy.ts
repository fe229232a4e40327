import { createServer, request as forward, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "./eventually.ts";

export interface HeldRequest {
  method: string;
  path: string;
}

/**
 * A proxy between the operator and the simulated Twilio. It never answers the requests that `holds` selects. A request is in `held` while
 * the operator still waits for the answer; the simulator's log has a request only after its answer.
 */
export class HoldingProxy {
  /** The requests that wait for an answer. */
  readonly held = new Set<HeldRequest>();
  /** Decides which requests are held. */
  holds: (request: HeldRequest) => boolean = () => false;
  readonly #target: string;
  readonly #server = createServer((request, response) => this.#serve(request, response));

  private constructor(target: string) {
    this.#target = target;
  }

  static async start(target: string): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when this many requests wait. */
  async holdsNow(count: number, timeoutMs?: number): Promise<void> {
    await eventually(
      `${count} requests are held`,
      () => (this.held.size >= count ? true : undefined),
      timeoutMs,
    );
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve).closeAllConnections());
  }

  #serve(request: IncomingMessage, response: ServerResponse) {
    const { method = "", url = "/", headers } = request;
    const held = { method, path: url };
    if (this.holds(held)) {
      this.held.add(held);
      response.on("close", () => this.held.delete(held));
      return;
    }
    const onward = forward(`${this.#target}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }
}
