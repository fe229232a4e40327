import { inject } from "vitest";
import { CHART, merge } from "../chart/helm.ts";
import { helm, kubectl, tryHelm } from "./kubectl.ts";
import { tell } from "./tell.ts";
import type { ClusterTwilio } from "./twilio.ts";

/** A version of the operator: a chart, as a folder or an archive, and the image that it installs. */
export interface Version {
  readonly chart: string;
  readonly image: string;
}

/** One installation of the chart. It runs Helm as a person would. */
export class Release {
  readonly name = "sms-channel-operator";
  readonly namespace: string;
  #chart: string;
  #values: object;

  /** Prepares an installation of the version under test, unless another version is given. */
  constructor(namespace: string, twilio: ClusterTwilio, values: object, version = underTest()) {
    this.namespace = namespace;
    this.#chart = version.chart;
    const own = {
      // The simulated Twilio reaches the receiver through its Service, because not every cluster has a way in from outside.
      publicUrl: `http://${this.name}-receiver.${namespace}.svc`,
      allowInsecurePublicUrl: true,
      twilio: { baseUrl: twilio.baseUrl },
    };
    this.#values = merge(merge(own, imageValues(version.image)), values);
  }

  /** The value of `status.managedBy` in the objects that this release manages. */
  get instance(): string {
    return `${this.namespace}/${this.name}`;
  }

  install(...flags: string[]): Promise<string> {
    tell(`helm install in ${this.namespace}`);
    return helm(["install", ...this.#arguments(), ...flags], this.#values);
  }

  /** Upgrades the release. The values are merged over the former values and stay for later upgrades. */
  upgrade(values: object, ...flags: string[]): Promise<string> {
    tell(`helm upgrade in ${this.namespace}: new values for ${Object.keys(values).join(", ")}`);
    this.#values = merge(this.#values, values);
    return helm(["upgrade", ...this.#arguments(), ...flags], this.#values);
  }

  upgradeTo({ chart, image }: Version, ...flags: string[]): Promise<string> {
    this.#chart = chart;
    return this.upgrade(imageValues(image), ...flags);
  }

  rollback(...flags: string[]): Promise<string> {
    tell(`helm rollback in ${this.namespace}`);
    return helm(["rollback", this.name, "--namespace", this.namespace, ...flags]);
  }

  test(): Promise<string> {
    tell(`helm test in ${this.namespace}`);
    return helm(["test", this.name, "--namespace", this.namespace, "--timeout=120s"]);
  }

  uninstall(...flags: string[]): Promise<string> {
    tell(`helm uninstall in ${this.namespace}`);
    return helm(["uninstall", this.name, "--namespace", this.namespace, "--timeout=180s", ...flags]);
  }

  /** Uninstalls the release, if it is still installed, and deletes its namespace. */
  async remove(): Promise<void> {
    await tryHelm([
      "uninstall",
      this.name,
      "--namespace",
      this.namespace,
      "--ignore-not-found",
      "--timeout=120s",
    ]);
    await kubectl(["delete", "namespace", this.namespace, "--ignore-not-found", "--timeout=120s"]);
  }

  async rolledOut(...components: ("controller" | "receiver")[]): Promise<void> {
    for (const component of components)
      await this.kubectl("rollout", "status", `deployment/${this.name}-${component}`, "--timeout=240s");
  }

  kubectl(...args: string[]): Promise<string> {
    return kubectl(["-n", this.namespace, ...args]);
  }

  /** The name of the controller's pod that leads. */
  async leader(): Promise<string> {
    const holder = await this.kubectl(
      "get",
      "lease",
      `${this.name}-controller`,
      "-o",
      "jsonpath={.spec.holderIdentity}",
    );
    return holder.split("_")[0]!;
  }

  #arguments(): string[] {
    return [this.name, this.#chart, "--namespace", this.namespace, "--values", "-"];
  }
}

export const underTest = (): Version => ({ chart: CHART, image: inject("image") });

/** The version to upgrade from: an older version when one is given, otherwise the version under test. */
export const older = (): Version => ({ chart: inject("olderChart"), image: inject("olderImage") });

/** The chart's values for an image that is named as `registry/repository:tag`. */
export function imageValues(image: string): object {
  const at = image.lastIndexOf(":");
  return { image: { repository: image.slice(0, at), tag: image.slice(at + 1) } };
}
