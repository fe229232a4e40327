import type { newInbox } from "./harness.ts";
import type { databaseProxy } from "./proxy.ts";

export type TestInbox = Awaited<ReturnType<typeof newInbox>>;
type Proxy = Awaited<ReturnType<typeof databaseProxy>>;

interface StoreFault {
  begin(inbox: TestInbox, proxy: Proxy): unknown;
  end(inbox: TestInbox, proxy: Proxy): unknown;
}

/** Faults that keep the store from taking texts. */
const FAULTS: Record<string, StoreFault> = {
  "the database is down": {
    begin: (_, proxy) => proxy.set("refuse"),
    end: (_, proxy) => proxy.set("pass"),
  },
  "the connection to the database is silent": {
    begin: (_, proxy) => proxy.set("silent"),
    end: (_, proxy) => proxy.set("pass"),
  },
  "the database's answers are lost": {
    begin: (_, proxy) => proxy.set("swallowAnswers"),
    end: (_, proxy) => proxy.set("pass"),
  },
  "the table is locked": {
    begin: ({ owner }) => owner.query("begin; lock table smschannel.inbox in access exclusive mode"),
    end: ({ owner }) => owner.query("rollback"),
  },
  "the database is read-only": {
    begin: ({ owner, role }) => owner.query(readOnly(role, "on")),
    end: ({ owner, role }) => owner.query(readOnly(role, "off")),
  },
  "the disk is full": {
    begin: ({ owner }) => owner.query(raising("53100", "true")),
    end: ({ owner }) => owner.query("drop trigger fault on smschannel.inbox"),
  },
  "the role lost its rights": {
    begin: ({ owner, role }) => owner.query(`revoke insert on smschannel.inbox from "${role}"`),
    end: ({ owner, role }) => owner.query(`grant insert on smschannel.inbox to "${role}"`),
  },
};

/** The names of all faults of the store, each a sentence. */
export const STORE_FAULTS = Object.keys(FAULTS);

/** Makes the functions that begin and end the fault with this name. */
export function storeFault(name: string, inbox: TestInbox, proxy: Proxy) {
  const fault = FAULTS[name]!;
  return { begin: () => fault.begin(inbox, proxy), end: () => fault.end(inbox, proxy) };
}

const readOnly = (role: string, value: "on" | "off") => `
  alter role "${role}" set default_transaction_read_only = ${value};
  select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`;

/** SQL that makes an insert into the inbox fail with this SQLSTATE while the condition `when` holds. */
export const raising = (code: string, when: string) => `
  create or replace function public.fault() returns trigger language plpgsql as
    $$ begin if ${when} then raise exception 'the test made it fail' using errcode = '${code}'; end if; return new; end $$;
  create trigger fault before insert on smschannel.inbox for each row execute function public.fault()`;
