import { once } from "node:events";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract, type Header } from "tar-stream";
import { getContainerRuntimeClient, ImageName } from "testcontainers";

export interface LayerFile {
  /** The number of the layer, counted from the lowest. A file can be in several layers, also when a later layer deletes it. */
  layer: number;
  path: string;
  mode: number;
  type: string;
  content: Buffer;
}

/** Every file of every layer of an image, as `docker save` writes them, also files that a later layer hides. */
export async function layerFiles(image: string): Promise<LayerFile[]> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const archive = await entries((await dockerode.getImage(image).get()) as unknown as Readable);
  const manifest = archive.find(({ path }) => path === "manifest.json");
  const [{ Layers: layers }] = JSON.parse(manifest!.content.toString()) as [{ Layers: string[] }];
  const files: LayerFile[] = [];
  for (const [layer, name] of layers.entries()) {
    const blob = archive.find(({ path }) => path === name)!;
    for (const entry of await entries(blob.content)) files.push({ layer, ...entry });
  }
  return files;
}

/** The image's configuration (user, command, variables, labels), and the build step of each layer. */
export async function describeImage(image: string) {
  const client = await getContainerRuntimeClient();
  const [inspected, history] = await Promise.all([
    client.image.inspect(ImageName.fromString(image)),
    client.container.dockerode.getImage(image).history() as Promise<{ CreatedBy: string }[]>,
  ]);
  return { config: inspected.Config, history: history.map(({ CreatedBy }) => CreatedBy) };
}

type TarEntry = Omit<LayerFile, "layer">;

async function entries(tar: Readable | Buffer): Promise<TarEntry[]> {
  const found: TarEntry[] = [];
  const extraction = extract();
  extraction.on("entry", ({ name, mode, type }: Header, stream, next) => {
    buffer(stream).then((content) => {
      found.push({ path: name.replace(/^\.?\//, ""), mode: mode ?? 0, type: type ?? "file", content });
      next();
    }, next);
  });
  if (Buffer.isBuffer(tar)) extraction.end(tar);
  else tar.pipe(extraction);
  await once(extraction, "finish");
  return found;
}
