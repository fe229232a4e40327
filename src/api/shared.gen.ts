// Generated from crds/ by `npm run generate`. Do not edit.

/**
 * One condition.
 */
export interface Condition {
  /**
   * The condition's name.
   */
  type: string;
  /**
   * Status of the condition.
   */
  status: "True" | "False" | "Unknown";
  /**
   * The generation of spec that this condition describes.
   */
  observedGeneration?: number;
  /**
   * When status last changed.
   */
  lastTransitionTime: string;
  /**
   * Reason for the status, from docs/reasons.md.
   */
  reason: string;
  /**
   * What to do about it.
   */
  message: string;
}

/**
 * One text.
 */
export interface AutomatedMessage {
  /**
   * The event after which this text is sent. Required.
   */
  trigger:
    | "Greeting"
    | "OutOfOperatingHours"
    | "Holiday"
    | "AgentAssigned"
    | "AgentJoined"
    | "TransferredToAgent"
    | "AgentEnded"
    | "SessionEnded"
    | "AgentUnavailable"
    | "ConversationEndedByOverflow"
    | "UnsupportedContent"
    | "OptOutConfirmation"
    | "OptInConfirmation"
    | "Help";
  /**
   * Language of the text as a BCP 47 tag, such as en or es-MX. The number's language selects the text. Default: en.
   */
  language?: string;
  /**
   * The text, 1 to 1,600 characters. {AgentName} and {QueueName} are replaced. Other placeholders are refused. Required.
   */
  text: string;
}
