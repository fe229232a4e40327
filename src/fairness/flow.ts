/**
 * For whom something is done, and whom it waits for. Work is told apart by both, so that neither a tenant who wants a lot
 * nor an outside system that hangs can keep the others waiting (docs/adr/0029).
 */
export interface Flow {
  /** Who asked for it: a namespace. Namespaces do not trust each other. */
  tenant: string;
  /** The outside system that must answer, such as an account of an API; absent where there is none or it is not known yet. */
  upstream?: string | undefined;
}
