import { type SmsNumber, smsNumbers, type WorkStream, workStreams } from "../../../src/api/index.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { apiVersionOf, type KubeObject, type ResourceType, secrets } from "../../../src/kube/resource.ts";
import { ACCOUNT, NUMBER, TOKEN } from "./simulated-twilio.ts";

/** The answers to STOP, START and HELP. Without these answers, the operator does not accept an SmsNumber for a short code. */
export const COMPLIANCE_REPLIES = (["OptOutConfirmation", "OptInConfirmation", "Help"] as const).map(
  (trigger) => ({ trigger, text: "Contoso: ok" }),
);

/** The object's name and namespace. Both have defaults, because most tests need one object of each kind in one namespace. */
export interface ManifestPlace {
  name?: string;
  namespace?: string;
}
export interface AnnotatedPlace extends ManifestPlace {
  annotations?: Record<string, string>;
}

/**
 * Applies manifests as a user does. It always uses server-side apply with the same field manager, so that applying an object again with
 * fewer fields removes the other fields.
 */
export class Manifests {
  readonly #client: KubeClient;
  readonly #namespace: string;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async apply<T extends KubeObject>(type: ResourceType<T>, object: object): Promise<T> {
    const typed = { apiVersion: apiVersionOf(type), kind: type.kind, ...object } as T;
    return await this.#client.apply(type, typed, { fieldManager: "test-user", force: true });
  }

  /** Applies a Secret with the credentials of the simulator's first account. `stringData` replaces or adds keys. */
  secret(
    stringData: Record<string, string>,
    { name = "twilio", namespace = this.#namespace }: ManifestPlace,
  ) {
    const keys = Object.entries({ accountSid: ACCOUNT, authToken: TOKEN, ...stringData });
    const data = Object.fromEntries(keys.map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
    return this.apply(secrets, { metadata: { name, namespace }, data });
  }

  stream(spec: Partial<WorkStream["spec"]>, place: AnnotatedPlace) {
    return this.apply(workStreams, {
      metadata: this.#metadata("support", place),
      spec: {
        autoCloseAfterInactivity: "48h",
        sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
        ...spec,
      },
    });
  }

  number(spec: Partial<SmsNumber["spec"]>, place: AnnotatedPlace) {
    return this.apply(smsNumbers, {
      metadata: this.#metadata("line", place),
      spec: { workStreamRef: { name: "support" }, number: NUMBER, ...spec },
    });
  }

  #metadata(usual: string, { name = usual, namespace = this.#namespace, annotations }: AnnotatedPlace) {
    return { name, namespace, ...(annotations === undefined ? {} : { annotations }) };
  }
}
