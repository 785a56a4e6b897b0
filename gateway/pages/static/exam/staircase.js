// The staircase: which line comes next, and when the test is done. Pure: a test is a value.
//
// After the Amblyopia Treatment Study protocol for single letters with four
// answers: Holmes et al., Arch Ophthalmol 2001;119:1345, and Moke et al.,
// Am J Ophthalmol 2001;132:903. Departures of ours: an E instead of H, O, T and V,
// no crowding bars, and a screening that skips lines, as in the electronic ETDRS test.
// Lines are numbered from 0, the largest.
//
// screening  one letter on every third line, until one is missed
// first      from two lines above that: a line is passed with three letters read,
//            failed with two missed; smaller until one fails, or larger until one passes
// easy       three larger letters, which do not count: encouragement and a rest
// second     the failed line once more, and smaller until one fails
//
// The result is the smallest line that was passed. Guessing passes a line with
// probability 0.05. No test has more than 4 letters a line and phase.

const JUMP = 3, ABOVE = 2, READ = 3, MISSED = 2, EASY = 3;

/** A new test of this many lines. `best` is the result once `phase` is "done"; null for none. */
export function begin(lines) {
  return { lines, phase: "screening", line: 0, read: 0, missed: 0, best: null, failed: null, letters: 0 };
}

/** The test after an answer to a letter of `test.line`. */
export function answer(test, correct) {
  const { phase, line, lines } = test;
  const now = { ...test, letters: test.letters + 1, read: test.read + (correct ? 1 : 0), missed: test.missed + (correct ? 0 : 1) };
  if (phase === "screening") {
    if (correct && line < lines - 1) return on(now, Math.min(line + JUMP, lines - 1));
    return on({ ...now, phase: "first" }, Math.max(line - ABOVE, 0));
  }
  if (phase === "easy") {
    return line + 1 < test.failed ? on(now, line + 1) : on({ ...now, phase: "second" }, test.failed);
  }
  if (now.read < READ && now.missed < MISSED) return now;
  return now.read === READ ? passed(now) : failed(now);
}

function passed(test) {
  const now = { ...test, best: test.line };
  if (test.line === test.lines - 1) return { ...now, phase: "done" };
  if (test.phase === "first" && test.failed !== null) return relieve(now);
  return on(now, test.line + 1);
}

function failed(test) {
  if (test.phase === "second") return { ...test, phase: "done" };
  const now = { ...test, failed: test.line };
  return test.best === null && test.line > 0 ? on(now, test.line - 1) : relieve(now);
}

function relieve(test) {
  if (test.failed === 0) return on({ ...test, phase: "second" }, 0);
  return on({ ...test, phase: "easy" }, Math.max(test.failed - EASY, 0));
}

function on(test, line) {
  return { ...test, line, read: 0, missed: 0 };
}
