// `strangers.ts PORT COUNT KIND`: a process with many strangers, which are clients without a valid signature. Until SIGTERM each stranger
// connects, sends, waits until it is answered or cut off, and connects again. The process writes a line when every stranger has had an
// answer, and another line at the end with the number of requests.
import { connect, type Socket } from "node:net";
import { STRANGERS, type StrangerKind } from "./stranger-bodies.ts";

const [port, count, kind] = process.argv.slice(2) as [string, string, StrangerKind];
const bytes = STRANGERS[kind];
const sockets = new Set<Socket>();
let sent = 0;
let stopped = false;
/** The number of strangers that have had no answer yet. */
let newcomers = Number(count);

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function stranger() {
  for (let round = 0; !stopped; round++) {
    if (round === 1 && --newcomers === 0) say({ answered: all.length });
    const socket = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
    sockets.add(socket);
    socket.on("error", () => undefined);
    // After an answer the stranger closes the connection itself. The server may keep the connection open, and on an open connection the
    // stranger sends nothing more.
    socket.once("data", () => socket.destroy());
    socket.once("connect", () => {
      sent++;
      socket.write(bytes);
    });
    await new Promise((resolve) => socket.once("close", resolve));
    sockets.delete(socket);
  }
}

const all = Array.from({ length: Number(count) }, stranger);
process.once("SIGTERM", async () => {
  stopped = true;
  for (const socket of sockets) socket.destroy();
  await Promise.all(all);
  say({ sent });
});
