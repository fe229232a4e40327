-- "On conflict do nothing", without a target, is silent about a conflict with any unique key. So there is one alone: the key
-- that means "the same text". The primary key was a second one, and swallowed texts when the identity sequence was behind
-- the rows, as after a failover by logical replication.
alter table smschannel.inbox drop constraint inbox_pkey;

comment on column smschannel.inbox.id is
  'Order within a lane. Not a key: after a failover or a restore the same number can come twice. A row is named by account_sid, message_sid, event.';

-- Logical replication needs a key to pass on updates and deletes.
alter table smschannel.inbox replica identity using index inbox_once;
alter table smschannel.route_activity replica identity full;

-- Which of these texts are not in the inbox, by position from 1: what a receiver asks after an insert that added fewer rows than
-- it was given. It tells no more than such an insert does, and so needs no right to read.
create function smschannel.missing_texts(account_sids text[], message_sids text[], events text[]) returns setof bigint
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select given.position
    from unnest(account_sids, message_sids, events) with ordinality as given (account_sid, message_sid, event, position)
    where not exists (
      select from smschannel.inbox as stored
      where stored.account_sid = given.account_sid and stored.message_sid = given.message_sid and stored.event = given.event)
  $$;

revoke all on function smschannel.missing_texts(text[], text[], text[]) from public;

-- Roles whose rights somebody sets by hand: who may insert may ask.
do $$
declare
  role name;
begin
  for role in
    select pg_get_userbyid(entry.grantee)
    from pg_class, aclexplode(relacl) as entry
    where oid = 'smschannel.inbox'::regclass and privilege_type = 'INSERT' and grantee not in (0, relowner)
  loop
    execute format('grant execute on function smschannel.missing_texts(text[], text[], text[]) to %I', role);
  end loop;
end $$;
