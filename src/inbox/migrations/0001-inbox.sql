-- The inbox: every verified request of Twilio as it came, appended by receivers and done by the conversation engine.
create table smschannel.inbox (
  -- Order within a lane. Ids become visible out of order: what is undone is found by done_at, never by "id greater than".
  id bigint generated always as identity primary key,
  received_at timestamptz not null default now(),
  -- inbound, fallback: a text to the stream's number. status: a delivery state. unrouted: signed, but not for the stream's
  -- number or of another channel. raw: what could not be stored otherwise; its message_sid is a hash of the body.
  kind text not null,
  -- The route that verified it. A text whose stream is gone stays undone until the stream is back.
  namespace_uid text not null,
  stream text not null,
  route_generation bigint not null,
  account_sid text collate "C" not null,
  message_sid text collate "C" not null,
  -- Empty for texts; for a status its name and error code. A text is stored once, a status once per state.
  event text collate "C" not null,
  -- The lane, digits or a word for an alphanumeric sender. Null where the request names none.
  our_number text collate "C",
  customer text collate "C",
  -- The query string of a status callback as it came: ?m= names our own text.
  query text,
  -- The request's body, form-encoded, untouched. The text in it is derived when it is read.
  body bytea not null,
  done_at timestamptz,
  failures smallint not null default 0,
  constraint inbox_once unique (account_sid, message_sid, event)
);

-- What is undone, by lane and in order. Done rows are not in it, so it stays small.
create index inbox_undone on smschannel.inbox (our_number, customer, id) where done_at is null;

-- When a route's signatures were last good or bad: at most one row per route, replica and minute, only ever appended,
-- since the receiver's role can neither update nor read.
create table smschannel.route_activity (
  at timestamptz not null default now(),
  replica text not null,
  namespace_uid text not null,
  stream text not null,
  account_sid text not null,
  -- Fingerprint of each token that verified something since the row before → when it last did, in milliseconds.
  accepted jsonb not null,
  last_refused_at timestamptz,
  refused_reason text
);

create index route_activity_at on smschannel.route_activity (at);
