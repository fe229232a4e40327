/** The lines of a stream of bytes, whole characters and whole lines only: what a cut connection leaves unfinished is dropped. */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  onBytes?: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // Pieces are joined once per line: a large object arrives in many, and adding each to a string would be quadratic.
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
