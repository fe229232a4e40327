/** For whom something is done, and what it waits for: what one flow does must not keep others from theirs. */
export interface Flow {
  /** Who asked for it: a namespace. */
  tenant: string;
  /** The party outside that must answer, such as an account at Twilio; absent where there is none, or it is not known. */
  upstream?: string | undefined;
}
