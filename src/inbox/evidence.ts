import type pg from "pg";

/** What one receiver replica saw of one route since the previous row that it wrote. */
export interface EvidenceRow {
  replica: string;
  namespaceUid: string;
  stream: string;
  accountSid: string;
  /** The keys are fingerprints of tokens. The values say when each token last verified a signature, in milliseconds since the epoch. */
  accepted: Record<string, number>;
  lastRefusedAtMs?: number;
  refusedReason?: string;
}

/**
 * What all receiver replicas together saw of one token of a route. An entry with an empty fingerprint says when the route last refused a
 * request.
 */
export interface RouteEvidence {
  namespaceUid: string;
  stream: string;
  accountSid: string;
  tokenFingerprint: string;
  lastAcceptedAtMs?: number;
  lastRefusedAtMs?: number;
  reason?: string;
}

/**
 * How many rows of evidence are read at most; 10,000 routes need fewer. A receiver that was broken into could write any number of rows, and
 * they must not fill our memory.
 */
const MOST = 100_000;

/**
 * Reads the newest evidence of the last `windowMs` for each route and token, with the database role of the controller. The rows are not
 * trusted, since any receiver may have been broken into. Malformed rows are left out, and a time after `nowMs`, the clock of the reader,
 * counts as `nowMs`.
 */
export async function readEvidence(
  client: pg.ClientBase | pg.Pool,
  windowMs: number,
  nowMs: number,
): Promise<RouteEvidence[]> {
  const { rows } = await client.query(READ, [windowMs, MOST, nowMs]);
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

/**
 * Deletes evidence that is older than `keepMs` or lies in the future, with the database role of the controller. Returns how many rows it
 * deleted.
 */
export async function pruneEvidence(client: pg.ClientBase | pg.Pool, keepMs: number): Promise<number> {
  const { rowCount } = await client.query(
    "delete from smschannel.route_activity where at < now() - $1 * interval '1 ms' or at > now() + interval '1 hour'",
    [keepMs],
  );
  return rowCount ?? 0;
}

// A cast must not get a value that it would fail on. Only `case` guarantees this, because the server may evaluate the conditions of
// `where` in any order.
const READ = `
  with recent as (
    select *,
      case when jsonb_typeof(accepted) = 'object' then accepted else '{}' end as tokens
    from smschannel.route_activity where at > now() - $1 * interval '1 ms' and at <= now() + interval '1 hour'
  ), accepted as (
    select namespace_uid, stream, account_sid, token.key as token,
      max(case when jsonb_typeof(token.value) = 'number' then greatest(0, least(token.value::numeric, $3::numeric)) end)::int8 as at
    from recent, jsonb_each(tokens) as token
    group by 1, 2, 3, 4 order by 5 desc nulls last limit $2
  ), refused as (
    select distinct on (namespace_uid, stream, account_sid) namespace_uid, stream, account_sid,
      (extract(epoch from last_refused_at) * 1000)::int8 as at, refused_reason as reason
    from recent where last_refused_at > 'epoch' and last_refused_at <= at + interval '1 hour'
    order by namespace_uid, stream, account_sid, last_refused_at desc limit $2
  )
  select namespace_uid, stream, account_sid, token, at as accepted, null::int8 as refused, null as reason
  from accepted where at is not null
  union all
  select namespace_uid, stream, account_sid, '', null, at, reason from refused`;
