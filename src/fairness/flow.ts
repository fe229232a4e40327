/**
 * The tenant for whom something is done, and the outside system that the work waits for. The places (the calls or attempts that
 * may run at a time) are shared fairly among tenants and among outside systems. So neither a tenant who wants a lot nor an
 * outside system that hangs can keep other work waiting (docs/adr/0029).
 */
export interface Flow {
  /** The namespace that asked for the work. Namespaces do not trust each other. */
  tenant: string;
  /** The outside system that must answer, such as an account of an API. Absent where there is none, or it is not known yet. */
  upstream?: string | undefined;
}
