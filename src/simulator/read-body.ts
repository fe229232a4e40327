import type { IncomingMessage } from "node:http";

/** The largest body that is read. Forms of the API are far smaller, but `POST /_simulator/inbound` contains media in base64. */
const LARGEST_BODY = 4 * 1024 * 1024;

/** Reads the whole body of a request as text. Rejects when the body is too large, or when the client hangs up before it has sent it all. */
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
