import { problemsOf, type RuleProblem } from "./problems.ts";
import type { ExpressionCheck, RoutingRule } from "./rules.ts";
import { type Overrun, RuleThread, type RuleThreadOptions, type TimedAnswer } from "./thread.ts";
import { Turns } from "./turns.ts";

export interface RuleJudgeOptions extends Partial<RuleThreadOptions> {
  /**
   * How long the checks of all rules of one WorkStream may take together. Rules that are left after this time are not checked.
   */
  streamMs?: number;
  /** An idle thread ends after this time, to free its memory. */
  idleMs?: number;
}

export interface Judged {
  problems: RuleProblem[];
  /**
   * False when a rule took too much time or memory, or was not checked because the rules before it took too long. On a machine
   * that hangs for seconds, that can happen to any rule.
   */
  certain: boolean;
}

interface Timed {
  check: ExpressionCheck;
  certain: boolean;
  ms: number;
}

const DEFAULTS = { timeMs: 2000, memoryMb: 64, streamMs: 5000, idleMs: 10_000 };

/** The thread is replaced after this many expressions: the CEL library never frees the types that expressions define. */
const EXPRESSIONS_PER_THREAD = 2000;

/**
 * Says which routing rules cannot be evaluated. Rules are parsed, checked and compiled in a separate thread with limits on time
 * and memory, so that a tenant's rule cannot hold up others. One expression is checked at a time, and namespaces take turns.
 */
export class RuleJudge {
  readonly #options: typeof DEFAULTS & Partial<RuleThreadOptions>;
  readonly #turns = new Turns();
  #thread: { thread: RuleThread; expressions: number } | undefined;
  #idle: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RuleJudgeOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Checks all rules of one WorkStream. Rejects when the thread cannot be started, and after `stop`. */
  async judge(namespace: string, rules: readonly RoutingRule[]): Promise<Judged> {
    const answers: Timed[] = [];
    let spentMs = 0;
    for (const { when } of rules) {
      const inTime = spentMs < this.#options.streamMs;
      const answer = inTime ? await this.#turns.take(namespace, () => this.#one(when)) : notJudged;
      answers.push(answer);
      spentMs += answer.ms;
    }
    const checks = answers.map(({ check }) => check);
    return { problems: problemsOf(rules, checks), certain: answers.every(({ certain }) => certain) };
  }

  /** Ends the thread; checks that are under way reject. May be called twice. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#endThread();
  }

  async #one(when: string): Promise<Timed> {
    const first = await this.#inThread(when);
    if (typeof first.answer === "object") return { check: first.answer, certain: true, ms: first.ms };
    // Try once more before the rule is blamed: a new thread has all its memory, and the machine may only have hung for a
    // moment.
    const { answer, ms } = await this.#inThread(when);
    const spent = { ms: first.ms + ms };
    return typeof answer === "object"
      ? { check: answer, certain: true, ...spent }
      : { check: tooExpensive[answer], certain: false, ...spent };
  }

  async #inThread(when: string): Promise<TimedAnswer> {
    if (this.#stopped) throw new Error("rules are no longer checked: this process stops");
    clearTimeout(this.#idle);
    if ((this.#thread?.expressions ?? 0) >= EXPRESSIONS_PER_THREAD) await this.#endThread();
    this.#thread ??= { thread: new RuleThread(this.#options), expressions: 0 };
    this.#thread.expressions += 1;
    try {
      const given = await this.#thread.thread.judge(when);
      if (typeof given.answer !== "object") await this.#endThread();
      return given;
    } catch (error) {
      await this.#endThread();
      throw error;
    } finally {
      this.#idle = setTimeout(() => void this.#endThread(), this.#options.idleMs).unref();
    }
  }

  async #endThread(): Promise<void> {
    clearTimeout(this.#idle);
    const ended = this.#thread;
    this.#thread = undefined;
    await ended?.thread.end();
  }
}

const tooExpensive: Record<Overrun, ExpressionCheck> = {
  time: { good: false, message: "it takes too long to check: make it simpler" },
  memory: { good: false, message: "it needs too much memory: make it simpler" },
};
const notJudged: Timed = {
  check: { good: false, message: "it was not checked, because the rules before it took too long" },
  certain: false,
  ms: 0,
};
