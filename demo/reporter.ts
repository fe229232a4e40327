/** Writes what the demo shows: as text for a person, or as JSON lines. */
export interface Reporter {
  /**
   * Reports that a step begins. Only the text for a person shows the beginning: JSON has one line for the result of a
   * step.
   */
  begin(title: string): void;
  /** Reports something that happens during a step, such as a line of kubectl or a condition that changed. */
  note(line: string): void;
  done(step: string, detail: string): void;
  failed(step: string, detail: string): void;
  end(outcome: { ok: boolean; steps: number }): void;
}

type WriteLine = (line: string) => void;

/** Writes one `{"step","ok","detail"}` per step, and `{"demo","steps"}` as the last line. */
export function jsonReporter(write: WriteLine): Reporter {
  const line = (value: object) => write(`${JSON.stringify(value)}\n`);
  return {
    begin: () => undefined,
    note: () => undefined,
    done: (step, detail) => line({ step, ok: true, detail }),
    failed: (step, detail) => line({ step, ok: false, detail }),
    end: ({ ok, steps }) => line({ demo: ok ? "ok" : "failed", steps }),
  };
}

/** Writes text for a person, with the seconds that each step took. */
export function personReporter(write: WriteLine, now: () => number): Reporter {
  let began = now();
  const seconds = () => `${((now() - began) / 1000).toFixed(1)} s`;
  return {
    begin(title) {
      began = now();
      write(`\n${title}\n`);
    },
    note: (text) => write(`  ${text}\n`),
    done: (_, detail) => write(`  ✓ ${detail} (${seconds()})\n`),
    failed: (step, detail) => write(`  ✗ ${step}: ${detail}\n`),
    end: ({ ok, steps }) =>
      write(ok ? `\n${steps} steps, and each showed what was expected.\n` : "\nThe demo failed.\n"),
  };
}
