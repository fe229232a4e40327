// Strangers, in a process of their own: `strangers.ts PORT COUNT KIND`. Each connects, sends, waits until it is answered or cut,
// and connects anew, until SIGTERM; then says how many requests were sent.
import { connect, type Socket } from "node:net";
import { STRANGERS, type StrangerKind } from "./stranger-bodies.ts";

const [port, count, kind] = process.argv.slice(2) as [string, string, StrangerKind];
const bytes = STRANGERS[kind];
const sockets = new Set<Socket>();
let sent = 0;
let stopped = false;

async function stranger() {
  while (!stopped) {
    const socket = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
    sockets.add(socket);
    socket.on("error", () => undefined);
    // An answer is an end, too: whoever would wait for the end of a connection that is kept would send nothing more.
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
process.stdout.write(`${JSON.stringify({ strangers: all.length })}\n`);
process.once("SIGTERM", async () => {
  stopped = true;
  for (const socket of sockets) socket.destroy();
  await Promise.all(all);
  process.stdout.write(`${JSON.stringify({ sent })}\n`);
});
