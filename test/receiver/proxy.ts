import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Starts a proxy to the database that can cut connections, forward nothing, or drop the answers of the database. */
export async function databaseProxy(url: string) {
  const target = new URL(url);
  let mode: "pass" | "refuse" | "silent" | "swallowAnswers" = "pass";
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (mode === "refuse") return void client.destroy();
    const upstream = connect(Number(target.port || 5432), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    client.on("data", (bytes) => mode !== "silent" && upstream.write(bytes));
    upstream.on("data", (bytes) => mode === "pass" && client.write(bytes));
    client.on("end", () => mode !== "silent" && client.end());
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    set(next: typeof mode) {
      mode = next;
      if (mode === "refuse") for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
