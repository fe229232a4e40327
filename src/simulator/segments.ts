const gsmBasic =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/** These take two septets: an escape and the character. */
const gsmExtended = "\f^{}\\[~]|€";

/** How many segments a text takes on the air: 160 GSM-7 septets or 70 UTF-16 units alone, 153 or 67 each when joined. */
export function segmentsOf(text: string): number {
  const isGsm = [...text].every((char) => gsmBasic.includes(char) || gsmExtended.includes(char));
  const length = isGsm
    ? [...text].reduce((sum, char) => sum + (gsmExtended.includes(char) ? 2 : 1), 0)
    : text.length;
  const [alone, joined] = isGsm ? [160, 153] : [70, 67];
  return length <= alone ? 1 : Math.ceil(length / joined);
}

/** Segments per second that a sender may put on the air: long code 1, toll-free 3, short code 100. */
export function segmentsPerSecond(sender: string): number {
  if (/^[0-9]{3,6}$/.test(sender)) return 100;
  return /^\+1(?:800|833|844|855|866|877|888)/.test(sender) ? 3 : 1;
}
