import { inject } from "vitest";
import type { RequestRecord } from "../../src/simulator/control/request-log.ts";
import type { InboundDelivery } from "../../src/simulator/messages/inbound.ts";
import type { SimulatorSeed } from "../../src/simulator/state/seed.ts";
import { apply, type ClusterApi, kubectl } from "./kubectl.ts";
import { podSecurity, restrictedNamespace } from "./manifests.ts";

/** A text as a customer sends it. */
export interface Text {
  from: string;
  /** The number that receives the text, with a plus in front. */
  to: string;
  body: string;
}

export interface WebhookAtTwilio {
  smsUrl: string;
  smsApplicationSid: string;
}

/** The simulated Twilio in a pod of the image under test. The tests reach its control API through the API server. */
export class ClusterTwilio {
  readonly namespace = `${inject("runId")}-twilio`;
  /** The operators' setting TWILIO_BASE_URL. */
  readonly baseUrl = `http://twilio.${this.namespace}.svc:4010`;
  readonly #api: ClusterApi;

  private constructor(api: ClusterApi) {
    this.#api = api;
  }

  static async start(api: ClusterApi, seed: SimulatorSeed): Promise<ClusterTwilio> {
    const twilio = new ClusterTwilio(api);
    await apply(restrictedNamespace(twilio.namespace));
    await apply(...twilio.#objects(seed));
    await kubectl(["-n", twilio.namespace, "rollout", "status", "deployment/twilio", "--timeout=120s"]);
    return twilio;
  }

  async stop(): Promise<void> {
    await kubectl(["delete", "namespace", this.namespace, "--ignore-not-found", "--timeout=120s"]);
  }

  /** Sends a text to a number. Resolves when the simulator has delivered the text's webhook or given up. */
  async receive(text: Text): Promise<InboundDelivery> {
    return (await this.#control("POST", "inbound", text)) as InboundDelivery;
  }

  /** The webhook of a number at the simulated Twilio. `number` has only digits. */
  async webhookOf(number: string): Promise<WebhookAtTwilio> {
    const state = (await this.#control("GET", "state")) as {
      regions: { us1: { numbers: (WebhookAtTwilio & { phoneNumber: string })[] } };
    };
    const found = state.regions.us1.numbers.find(({ phoneNumber }) => phoneNumber === `+${number}`);
    if (found === undefined) throw new Error(`the simulator has no number ${number}`);
    return { smsUrl: found.smsUrl, smsApplicationSid: found.smsApplicationSid };
  }

  /** The calls that changed a number since this method was last called. */
  async updates(): Promise<RequestRecord[]> {
    const { requests } = (await this.#control("GET", "requests")) as { requests: RequestRecord[] };
    await this.#control("DELETE", "requests");
    return requests.filter(({ operation }) => operation === "UpdateIncomingPhoneNumber");
  }

  async #control(method: "GET" | "POST" | "DELETE", what: string, body?: unknown): Promise<unknown> {
    const path = `namespaces/${this.namespace}/services/twilio:4010/proxy/_simulator/${what}`;
    const { status, text } = await this.#api.request(path, method, body);
    if (status >= 300) throw new Error(`the simulator's ${what} answered ${status}: ${text.slice(0, 200)}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  #objects(seed: SimulatorSeed): object[] {
    const { namespace } = this;
    const labels = { app: "twilio" };
    const env = {
      SEED: "/seed/seed.json",
      LISTEN_HOST: "0.0.0.0",
      ALLOW_LOCAL_URLS: "true",
      LATENCY: "20",
      LOG_LEVEL: "warn",
    };
    return [
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "seed", namespace },
        data: { "seed.json": JSON.stringify(seed) },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "twilio", namespace },
        spec: { selector: labels, ports: [{ port: 4010 }] },
      },
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "twilio", namespace },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              ...podSecurity.pod(),
              containers: [
                {
                  name: "twilio",
                  image: inject("simulatorImage"),
                  args: ["twilio-simulator"],
                  env: Object.entries(env).map(([name, value]) => ({ name, value })),
                  ports: [{ containerPort: 4010 }],
                  // There is no readiness probe: on a busy machine a slow answer would take the pod out of its Service.
                  startupProbe: {
                    httpGet: { path: "/_simulator/faults", port: 4010 },
                    periodSeconds: 1,
                    failureThreshold: 60,
                  },
                  volumeMounts: [{ name: "seed", mountPath: "/seed" }],
                  securityContext: podSecurity.container,
                },
              ],
              volumes: [{ name: "seed", configMap: { name: "seed" } }],
            },
          },
        },
      },
    ];
  }
}
