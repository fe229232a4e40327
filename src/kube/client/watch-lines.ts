/**
 * Cuts the answer to a watch into lines. The API server sends one JSON document per event, each on its own line, in an answer
 * that stays open until the watch ends. Network packets can end anywhere, even within a character.
 *
 * Only whole lines are passed on. A connection that breaks leaves half an event, and the next watch sends that event again.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  onBytes?: () => void,
): AsyncGenerator<string> {
  // With `stream` the decoder keeps the first bytes of a character until the other bytes arrive.
  const decoder = new TextDecoder();
  // The pieces are joined once per line. A large object arrives in many pieces, and appending each piece to one string would
  // take quadratic time.
  let pieces: string[] = [];
  for await (const chunk of chunks) {
    onBytes?.();
    const text = decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
      pieces.push(text.slice(from, end));
      const line = pieces.join("");
      pieces = [];
      from = end + 1;
      if (line !== "") yield line;
    }
    if (from < text.length) pieces.push(text.slice(from));
  }
}
