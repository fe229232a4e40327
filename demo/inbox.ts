import pg from "pg";

/** What the inbox stores of one MessageSid: how many rows there are, and the content of the first row. */
export interface StoredText {
  readonly rows: number;
  readonly kind: string;
  readonly stream: string;
  readonly ourNumber: string;
  readonly customer: string;
  readonly receivedAt: Date;
  readonly text: string | null;
}

/** The stored rows with this MessageSid. They are read as the database's owner, because the receiver's role may only insert. */
export async function storedText(ownerUrl: string, messageSid: string): Promise<StoredText | undefined> {
  const rows = await query(
    ownerUrl,
    `select kind, stream, our_number, customer, received_at, body
       from smschannel.inbox where message_sid = $1 order by id`,
    [messageSid],
  );
  const first = rows[0];
  if (first === undefined) return undefined;
  return {
    rows: rows.length,
    kind: first.kind as string,
    stream: first.stream as string,
    ourNumber: first.our_number as string,
    customer: first.customer as string,
    receivedAt: first.received_at as Date,
    text: new URLSearchParams((first.body as Buffer).toString("utf8")).get("Body"),
  };
}

export async function countTexts(ownerUrl: string): Promise<number> {
  const [row] = await query(ownerUrl, "select count(*)::int as count from smschannel.inbox", []);
  return row?.count as number;
}

/** Whether the database refuses to let the role in this URL read texts (error 42501, insufficient privilege). */
export async function mayNotRead(url: string): Promise<boolean> {
  return query(url, "select 1 from smschannel.inbox limit 1", []).then(
    () => false,
    (error: { code?: string }) => error.code === "42501",
  );
}

export async function serverVersion(url: string): Promise<string> {
  const [row] = await query(url, "show server_version", []);
  return row?.server_version as string;
}

async function query(url: string, sql: string, values: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
