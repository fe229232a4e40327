import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { getContainerRuntimeClient } from "testcontainers";
import type { TestProject } from "vitest/node";
import { temporaryDirectory } from "../support/controlplane/directory.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Name of the image under test. */
    image: string;
    /** A token that was in npm's configuration while the image was built. */
    buildToken: string;
  }
}

const root = resolve(import.meta.dirname, "../..");

/**
 * Builds the image with a token in npm's configuration, which must not be found in the image. The build does not use Docker's cache,
 * because a cached step would not have seen the token. E2E_IMAGE names the image, so that the end-to-end tests can use it too.
 */
export default async function setup(project: TestProject) {
  try {
    await getContainerRuntimeClient();
  } catch (cause) {
    throw new Error(
      "npm run test:image needs a Docker engine with BuildKit, and none answers at DOCKER_HOST or the usual sockets. The tests in test/bundle need no engine.",
      { cause },
    );
  }
  const image = process.env.E2E_IMAGE ?? "sms-channel-operator:test";
  const token = `npm_${randomBytes(18).toString("hex")}`;
  const folder = await temporaryDirectory("sms-image");
  const npmrc = join(folder, "npmrc");
  const own = process.env.NPMRC ?? join(homedir(), ".npmrc");
  const given = existsSync(own) ? readFileSync(own, "utf8") : "";
  await writeFile(npmrc, `${given.trimEnd()}\n//registry.example.com/:_authToken=${token}\n`, {
    mode: 0o600,
  });
  try {
    await build(image, { ...process.env, NPMRC: npmrc });
  } finally {
    await rm(folder, { recursive: true });
  }
  project.provide("image", image);
  project.provide("buildToken", token);
}

/** IMAGE_BUILD_ARGS adds arguments to docker build, such as --network=host on a machine where containers have no network. */
function build(image: string, env: NodeJS.ProcessEnv): Promise<void> {
  const more = (process.env.IMAGE_BUILD_ARGS ?? "").split(" ").filter(Boolean);
  const child = spawn(join(root, "scripts/build-image.sh"), [image, "--no-cache", ...more], {
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((settle, reject) => {
    child.once("error", reject).once("close", (code) => {
      if (code === 0) settle();
      else
        reject(
          new Error(`the image could not be built (exit code ${code}): the output of docker build is above`),
        );
    });
  });
}
