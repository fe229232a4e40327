import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { apply, kubectl, list, listening } from "./kubectl.ts";
import { podSecurity } from "./manifests.ts";

/** The Secret with the URL of a database's owner, under the key `owner-url`. */
export interface OwnerSecret {
  namespace: string;
  name: string;
}

/** Runs SQL as the owner of a database. Each call opens a new port-forward, because the database's pod may have been replaced. */
export async function query<R extends pg.QueryResultRow>(
  { namespace, name }: OwnerSecret,
  sql: string,
): Promise<R[]> {
  const [secret] = await list<{ data: Record<string, string> }>(
    ...["-n", namespace, "secrets", `--field-selector=metadata.name=${name}`],
  );
  const url = new URL(Buffer.from(secret!.data["owner-url"]!, "base64").toString());
  const service = url.hostname.split(".")[0]!;
  const forward = await listening(["port-forward", "-n", namespace, `service/${service}`, ":5432"]);
  url.hostname = "127.0.0.1";
  url.port = String(forward.port);
  const client = new pg.Client({ connectionString: url.href });
  try {
    await client.connect();
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end();
    await forward.stop();
  }
}

/** How often each text is stored, by the SID of the text. */
export async function storedTexts(secret: OwnerSecret): Promise<Map<string, number>> {
  const rows = await query<{ message_sid: string; count: number }>(
    secret,
    "select message_sid, count(*)::int as count from smschannel.inbox where event = '' group by message_sid",
  );
  return new Map(rows.map(({ message_sid, count }) => [message_sid, count]));
}

/** A PostgreSQL that is not part of the chart, like a user's own. Its data is lost with its pod. */
export class ClusterDatabase {
  readonly namespace: string;
  readonly #password = randomBytes(12).toString("hex");

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  /** The URL with which a role connects to the database. */
  url(role = "owner", password = this.#password): string {
    return `postgres://${role}:${password}@postgres.${this.namespace}.svc:5432/texts`;
  }

  /** The Secret that the value `database.existingSecret` names. */
  secret(name: string): object {
    const password = randomBytes(12).toString("hex");
    return {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: this.namespace },
      stringData: {
        "owner-url": this.url(),
        "receiver-url": this.url("receiver", password),
        "controller-url": this.url("controller", password),
      },
    };
  }

  async start(): Promise<void> {
    const { namespace } = this;
    const labels = { app: "postgres" };
    const env = {
      POSTGRES_USER: "owner",
      POSTGRES_PASSWORD: this.#password,
      POSTGRES_DB: "texts",
      PGDATA: "/data/pgdata",
    };
    await apply(
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "postgres", namespace },
        spec: { selector: labels, ports: [{ port: 5432 }] },
      },
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "postgres", namespace },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              ...podSecurity.pod(inject("postgresUser")),
              containers: [
                {
                  name: "postgres",
                  image: inject("postgresImage"),
                  env: Object.entries(env).map(([name, value]) => ({ name, value })),
                  ports: [{ containerPort: 5432 }],
                  readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 1 },
                  volumeMounts: [
                    { name: "data", mountPath: "/data" },
                    { name: "tmp", mountPath: "/tmp" },
                  ],
                  securityContext: podSecurity.container,
                },
              ],
              volumes: [
                { name: "data", emptyDir: {} },
                { name: "tmp", emptyDir: {} },
              ],
            },
          },
        },
      },
    );
    await kubectl(["-n", namespace, "rollout", "status", "deployment/postgres", "--timeout=180s"]);
  }
}
