import { spawn } from "node:child_process";

/** A Go module that is downloaded only for its files. `sum` is the module's hash from a go.sum: a module with other content is refused. */
export interface Module {
  path: string;
  version: string;
  sum: string;
}

/** Downloads the module if needed, and returns its folder in Go's cache. */
export async function folderOf({ path, version, sum }: Module): Promise<string> {
  const child = spawn("go", ["mod", "download", "-json", `${path}@${version}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const code = await new Promise((settle, fail) => child.once("error", fail).once("close", settle));
  const found = JSON.parse(text || "{}") as { Dir?: string; Sum?: string; Error?: string };
  if (code !== 0 || found.Dir === undefined)
    throw new Error(`${path} ${version} cannot be downloaded: ${found.Error ?? "go failed"}`);
  if (found.Sum !== sum)
    throw new Error(`${path} ${version} has other content than expected: its sum is ${found.Sum}`);
  return found.Dir;
}
