/** Tells a person who waits what happens: on a terminal in one line that changes, in a log file every ten seconds. */
export interface BuildProgress {
  say(text: string): void;
  end(): void;
}

const LOG_EVERY_MS = 10_000;

export function progressOn(stream: NodeJS.WriteStream): BuildProgress {
  const started = performance.now();
  const terminal = stream.isTTY === true;
  let said = Number.NEGATIVE_INFINITY;
  let kind = "";
  return {
    say(text) {
      const now = performance.now();
      // A new step gets its line at once. "3 of 10" after "2 of 10" is not a new step.
      const step = text.replace(/[0-9]+/g, "#");
      const due = now - said >= (terminal ? 100 : LOG_EVERY_MS);
      if (!due && step === kind) return;
      said = now;
      kind = step;
      const line = `${text} (${Math.round((now - started) / 1000)} s)`;
      stream.write(terminal ? `\r\x1b[K${line}` : `${line}\n`);
    },
    end() {
      if (terminal && kind !== "") stream.write("\n");
    },
  };
}
