-- What a receiver that was broken into may write. Its role inserts only the columns that it fills (see roles.ts); these checks
-- bound what stands in them. Not valid: rows of before are not looked at, which would hold up texts for as long.
alter table smschannel.inbox add constraint inbox_bounds check (
  kind in ('inbound', 'fallback', 'status', 'unrouted', 'raw')
  and octet_length(namespace_uid) <= 256
  and octet_length(stream) <= 256
  and octet_length(account_sid) <= 64
  and octet_length(message_sid) <= 80
  and octet_length(event) <= 256
  and octet_length(our_number) <= 256
  and octet_length(customer) <= 256
  and octet_length(query) <= 2048
  and octet_length(body) <= 262144
) not valid;

alter table smschannel.route_activity add constraint route_activity_bounds check (
  isfinite(at)
  and isfinite(last_refused_at)
  and octet_length(replica) <= 512
  and octet_length(namespace_uid) <= 256
  and octet_length(stream) <= 256
  and octet_length(account_sid) <= 64
  and octet_length(refused_reason) <= 64
  and jsonb_typeof(accepted) = 'object'
  and octet_length(accepted::text) <= 8192
  -- Token's fingerprint → milliseconds since the epoch.
  and not jsonb_path_exists(accepted, '$.* ? (@.type() != "number" || @ < 0 || @ > 1e15)')
) not valid;
