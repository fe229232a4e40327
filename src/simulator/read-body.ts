import type { IncomingMessage } from "node:http";

/** Far above any form of the API; media for `POST inbound` come as base64 and need the room. */
const LARGEST_BODY = 4 * 1024 * 1024;

/** Reads a request's whole body as text. Rejects when it is too large, or when the client hangs up before its end. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > LARGEST_BODY) throw new Error(`the body is larger than ${LARGEST_BODY} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}
