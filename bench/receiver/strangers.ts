// Strangers, in a process of their own: `strangers.ts PORT COUNT KIND`. Each connects, sends, waits until it is answered or cut,
// and connects anew, until SIGTERM. Says when each of them had an answer, and at the end how many requests were sent.
import { connect, type Socket } from "node:net";
import { STRANGERS, type StrangerKind } from "./stranger-bodies.ts";

const [port, count, kind] = process.argv.slice(2) as [string, string, StrangerKind];
const bytes = STRANGERS[kind];
const sockets = new Set<Socket>();
let sent = 0;
let stopped = false;
/** Those who had no answer yet. */
let newcomers = Number(count);

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function stranger() {
  for (let round = 0; !stopped; round++) {
    if (round === 1 && --newcomers === 0) say({ answered: all.length });
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
process.once("SIGTERM", async () => {
  stopped = true;
  for (const socket of sockets) socket.destroy();
  await Promise.all(all);
  say({ sent });
});
