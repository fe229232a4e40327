// Express comes without types. These are the types that the bench uses.
declare module "express" {
  import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

  interface Request extends IncomingMessage {
    body: Record<string, string>;
  }
  interface Response extends ServerResponse {
    type(name: string): this;
    send(body: string): this;
  }
  type Handler = (request: Request, response: Response, next: () => void) => unknown;
  // biome-ignore lint/suspicious/noExplicitAny: Twilio's middleware declares these types differently
  type Middleware = Handler | ((...args: any[]) => unknown);
  interface App extends RequestListener {
    post(path: string, ...handlers: [...Middleware[], Handler]): void;
  }
  interface Express {
    (): App;
    urlencoded(options: { extended: boolean }): Middleware;
  }
  const express: Express;
  export default express;
}
