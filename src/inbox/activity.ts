import type pg from "pg";

/** What a replica saw of one route since its last row. */
export interface ActivityRow {
  replica: string;
  namespaceUid: string;
  stream: string;
  accountSid: string;
  /** Token's fingerprint → when it last verified a signature, ms since the epoch. */
  accepted: Record<string, number>;
  lastRefusedAtMs?: number;
  refusedReason?: string;
}

/** Over all replicas: what one token of one route last did, or, with an empty fingerprint, when the route last refused. */
export interface RouteActivity {
  namespaceUid: string;
  stream: string;
  accountSid: string;
  tokenFingerprint: string;
  lastAcceptedAtMs?: number;
  lastRefusedAtMs?: number;
  reason?: string;
}

/** What was seen in the last `windowMs`, newest per route and token. For the controller's role. */
export async function readRouteActivity(
  client: pg.ClientBase | pg.Pool,
  windowMs: number,
): Promise<RouteActivity[]> {
  const { rows } = await client.query(READ, [windowMs]);
  return rows.map((row) => ({
    namespaceUid: row.namespace_uid,
    stream: row.stream,
    accountSid: row.account_sid,
    tokenFingerprint: row.token,
    ...(row.accepted === null ? {} : { lastAcceptedAtMs: Number(row.accepted) }),
    ...(row.refused === null ? {} : { lastRefusedAtMs: Number(row.refused) }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  }));
}

/** Throws away what is older than `keepMs`; how many rows. For the controller's role. */
export async function pruneRouteActivity(client: pg.ClientBase | pg.Pool, keepMs: number): Promise<number> {
  const { rowCount } = await client.query(
    "delete from smschannel.route_activity where at < now() - $1 * interval '1 ms'",
    [keepMs],
  );
  return rowCount ?? 0;
}

const READ = `
  with recent as (
    select * from smschannel.route_activity where at > now() - $1 * interval '1 ms'
  )
  select namespace_uid, stream, account_sid, token.key as token, max(token.value::int8) as accepted,
         null::int8 as refused, null as reason
  from recent, jsonb_each_text(accepted) as token
  group by 1, 2, 3, 4
  union all
  select distinct on (namespace_uid, stream, account_sid) namespace_uid, stream, account_sid, '', null,
         (extract(epoch from last_refused_at) * 1000)::int8, refused_reason
  from (select * from recent where last_refused_at is not null
        order by namespace_uid, stream, account_sid, last_refused_at desc) as refused`;
