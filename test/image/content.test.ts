import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, expect, inject, test } from "vitest";
import { packagesOf } from "../../scripts/bundle/packages.ts";
import { bundleProgram } from "../../scripts/bundle/program.ts";
import { describeImage, type LayerFile, layerFiles } from "./layers.ts";

// Tests of what the image contains. They read its layers, because a layer still has the files that a later layer deletes.

let files: LayerFile[];
let image: Awaited<ReturnType<typeof describeImage>>;

beforeAll(async () => {
  [files, image] = await Promise.all([layerFiles(inject("image")), describeImage(inject("image"))]);
});

const regular = () => files.filter(({ type }) => type === "file");
const base = (path: string) => path.slice(path.lastIndexOf("/") + 1);

test("the npm token of the build is in no layer, no variable and no recorded build step", () => {
  const token = inject("buildToken");
  expect(token.length).toBeGreaterThan(20);
  expect(files.filter(({ content }) => content.includes(token)).map(({ path }) => path)).toEqual([]);
  expect(JSON.stringify(image)).not.toContain(token);
});

test("the image contains no credentials and no source files", () => {
  const suspicious =
    /(^|\/)(\.npmrc|npmrc|\.git|\.env.*|\.netrc|\.docker|id_[a-z0-9]+|.*\.(pem|key|p12|pfx|map))$/;
  expect(files.map(({ path }) => path).filter((path) => suspicious.test(path))).toEqual([]);
  const own = regular().filter(({ path }) => path.startsWith("app/"));
  expect(own.length).toBeGreaterThan(5);
  for (const { path, content } of own) {
    expect([path, content.includes("PRIVATE KEY-----")]).toEqual([path, false]);
    expect(path).not.toMatch(/node_modules|\.ts$/);
  }
  expect(image.config.Env.map((line) => line.split("=")[0]).sort()).toEqual(
    expect.arrayContaining(["NODE_ENV", "PATH"]),
  );
});

test("the image contains no program but Node: no shell, no package manager", () => {
  const programs = [
    "sh",
    "bash",
    "dash",
    "ash",
    "busybox",
    "npm",
    "npx",
    "corepack",
    "yarn",
    "apt",
    "apt-get",
    "dpkg",
    "curl",
    "wget",
  ];
  expect(files.map(({ path }) => path).filter((path) => programs.includes(base(path)))).toEqual([]);
  const folders = /^(usr\/(local\/)?)?s?bin\//;
  expect(
    regular()
      .filter(({ path }) => folders.test(path))
      .map(({ path }) => path),
  ).toEqual([]);
});

test("every user may read the program's files, only their owner may write them, and no file is setuid or setgid", () => {
  const loose = regular().filter(({ mode }) => (mode & 0o6022) !== 0);
  expect(loose.map(({ path }) => path)).toEqual([]);
  const closed = files.filter(
    ({ path, mode, type }) =>
      path.startsWith("app") &&
      (mode & (type === "directory" ? 0o005 : 0o004)) !== (type === "directory" ? 0o005 : 0o004),
  );
  expect(closed.map(({ path }) => path)).toEqual([]);
});

test("the image's configuration names its user by number, which Kubernetes can check, and its command", () => {
  const { User, Entrypoint, Cmd, Healthcheck, Labels, Volumes } = image.config as typeof image.config & {
    Healthcheck?: unknown;
  };
  expect([User, Entrypoint, Cmd]).toEqual([
    "65532:65532",
    ["/nodejs/bin/node", "/app/smschannel.mjs"],
    ["--help"],
  ]);
  expect([Healthcheck, Volumes ?? {}]).toEqual([undefined, {}]);
  expect(Labels).toMatchObject({
    "org.opencontainers.image.title": "sms-channel-operator",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.version": inject("image").split(":").at(-1),
    "org.opencontainers.image.revision": expect.stringMatching(/^([0-9a-f]{40}|unknown)$/),
  });
});

test("the image's SBOM lists exactly the packages in the program", async () => {
  const bom = JSON.parse(fileOf("app/sbom.cdx.json")) as {
    bomFormat: string;
    components: { name: string; version: string; licenses?: unknown[] }[];
  };
  const listed = bom.components.map(({ name, version }) => `${name}@${version}`);
  const used = packagesOf(await bundleProgram()).map(({ name, version }) => `${name}@${version}`);
  expect(bom.bomFormat).toBe("CycloneDX");
  expect(listed.sort()).toEqual(used.sort());
  expect(bom.components.filter(({ licenses }) => licenses === undefined)).toEqual([]);
  expect(fileOf("app/licenses.txt")).toContain("Permission is hereby granted");
});

test("the program in the image is bundled from these sources", async () => {
  const crds = resolve(import.meta.dirname, "../../crds");
  expect(fileOf("app/crds/smsnumbers.yaml")).toBe(readFileSync(join(crds, "smsnumbers.yaml"), "utf8"));
  const size = regular()
    .filter(({ path }) => path.startsWith("app/"))
    .reduce((sum, { content }) => sum + content.length, 0);
  expect(size).toBeLessThan(12 * 1024 * 1024);
});

const fileOf = (path: string) => files.find((file) => file.path === path)!.content.toString();
