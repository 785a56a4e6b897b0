// The exam in the page: its steps, the letters, and the results that it sends at the end.

import { CARD, LINES, NORMAL, letterSize, lines, nearest, snellen } from "./optics.js";
import { answer, begin } from "./staircase.js";

const PAUSE = 350; // ms of blank between letters, so that none is answered twice
const SWIPE = 30; // CSS pixels
const KEYS = { ArrowRight: "0", ArrowDown: "90", ArrowLeft: "180", ArrowUp: "270" };
const EYES = [["right", "left"], ["left", "right"]]; // the eye under test, the covered eye
const PER_MM = { least: 2, usual: 3.78, most: 10 }; // CSS pixels per mm, from wall screens to phones
const NEAREST = 400, FARTHEST = 6000; // mm
const DRAWN = 0.7; // logMAR: at least this line must fit on the screen

const at = (id) => document.getElementById(id);
const words = JSON.parse(at("exam").dataset.words);
const say = (name, places = {}) => words[name].replace(/%\((\w+)\)s/g, (_, place) => places[place]);
const nameEye = (side) => say(`${side}Eye`);
const exam = { correction: null, signs: {}, cssPerMm: 0, ratio: 0, distance: 0, lines: [], eyes: {} };
let turn = 0, test = null, way = null, waiting = false, step = "intro";

function show(name) {
  for (const each of document.querySelectorAll(".step")) each.hidden = each.id !== name;
  at("languages").hidden = name !== "intro"; // another language begins anew
  step = name;
  at(`${name}-title`).focus({ preventScroll: name === "intro" });
  if (name !== "stage") window.scrollTo(0, 0);
}

function note(id, text) {
  at(id).textContent = text;
  at(id).hidden = text === "";
}

// Step 1: the correction worn, and the warning signs of the eyes.

at("no-script").hidden = true;
at("intro-next").hidden = false;
at("intro-next").addEventListener("click", () => {
  const chosen = document.querySelector("input[name=correction]:checked");
  at("intro-fault").textContent = chosen ? "" : say("choose");
  if (!chosen) return document.querySelector("input[name=correction]").focus();
  exam.correction = chosen.value;
  const signs = [...document.querySelectorAll("input[name=sign]")];
  const marked = signs.some((each) => each.checked);
  at("intro-fault").textContent = marked || at("no-sign").checked ? "" : say("mark");
  if (at("intro-fault").textContent) return signs[0].focus();
  exam.signs = Object.fromEntries(signs.map((each) => [each.value, each.checked]));
  if (marked) show("health");
  else measure("");
});
at("health-next").addEventListener("click", () => save());
at("signs").addEventListener("change", ({ target }) => {
  if (!target.checked) return;
  for (const each of at("signs").querySelectorAll("input")) {
    if ((each === at("no-sign")) !== (target === at("no-sign"))) each.checked = false;
  }
});

// Step 2: a bank card calibrates pixels per millimetre.

let side = CARD.long; // of the card, along the width of the frame

function measure(why) {
  note("card-note", why);
  show("card");
  const room = at("frame").parentElement.clientWidth;
  side = room >= CARD.long * PER_MM.usual ? CARD.long : CARD.short;
  const upright = side === CARD.short;
  at("card-way").textContent = say(upright ? "upright" : "lying");
  at("frame-text").textContent = say(upright ? "cardUpright" : "card");
  at("width").min = Math.round(side * PER_MM.least);
  at("width").max = Math.min(Math.round(side * PER_MM.most), room);
  at("width").value = exam.cssPerMm ? side * exam.cssPerMm : side * PER_MM.usual * 1.15;
  frame();
}

function frame() {
  const width = Number(at("width").value);
  at("frame").style.width = `${width}px`;
  at("frame").style.height = `${(width / side) * (side === CARD.long ? CARD.short : CARD.long)}px`;
  at("width").setAttribute("aria-valuetext", say("pixels", { width }));
}

at("width").addEventListener("input", frame);
for (const [id, by] of [["narrower", -0.5], ["wider", 0.5]]) {
  at(id).addEventListener("click", () => {
    at("width").value = Number(at("width").value) + by;
    frame();
  });
}
at("card-next").addEventListener("click", () => {
  exam.cssPerMm = Number(at("width").value) / side;
  exam.ratio = window.devicePixelRatio;
  suggest();
});

// Step 3: the distance, and the lines that the screen can draw for it.

const perMm = () => exam.cssPerMm * exam.ratio;

/** The largest width and height of a letter on the stage, in millimetres. */
function room() {
  const { hidden } = at("stage");
  at("stage").hidden = false;
  const least = Math.min(at("room").clientWidth, at("room").clientHeight);
  at("stage").hidden = hidden;
  return least / exam.cssPerMm;
}

function suggest() {
  const enough = Math.max(NEAREST, Math.ceil(nearest(perMm()) / 50) * 50);
  at("centimetres").value = (exam.distance || enough) / 10;
  show("distance");
  tell();
}

function tell() {
  const distance = Math.round(Number(at("centimetres").value) * 10);
  const needed = Math.max(NEAREST, Math.ceil(nearest(perMm()) / 10) * 10);
  const found = lines(perMm(), distance, room());
  let fault = "";
  if (!(distance >= needed)) {
    fault = say("near", { centimetres: write(needed / 10), feet: feet(needed) });
  } else if (distance > FARTHEST || !(found[0] >= DRAWN)) {
    fault = say("far");
  }
  const near = distance < 1000 ? ` ${say("close")}` : "";
  const least = found[found.length - 1];
  at("distance-told").textContent = fault || say("smallest", { feet: feet(distance), line: snellen(least) }) + near;
  at("distance-told").className = fault ? "note bad" : near ? "note warn" : "note good";
  at("distance-next").disabled = fault !== "";
  exam.distance = distance;
  exam.lines = found;
}

function feet(mm) {
  const inches = Math.round(mm / 25.4);
  return say("feet", { feet: Math.floor(inches / 12), inches: inches % 12 });
}

/** A figure as readers of the page's language write it. */
function write(value) {
  return value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1, useGrouping: false });
}

at("centimetres").addEventListener("input", tell);
at("distance-next").addEventListener("click", () => {
  turn = 0;
  cover("");
});

// Step 4: one eye after the other.

function cover(why) {
  const [seeing, covered] = EYES[turn];
  note("cover-note", why);
  at("cover-turn").textContent = nameEye(seeing);
  at("cover-title").textContent = say(covered === "left" ? "coverLeft" : "coverRight");
  at("cover-distance").textContent = say("distance", { centimetres: write(exam.distance / 10), feet: feet(exam.distance) });
  // As in a mirror: the person's left eye is on the left.
  at("face").querySelector(".cover").setAttribute("transform", `translate(${covered === "left" ? 0 : 60} 0)`);
  show("cover");
}

at("cover-next").addEventListener("click", () => {
  if (zoomed()) return note("cover-note", say("zoomOut"));
  test = begin(exam.lines.length);
  show("stage");
  next();
});

const zoomed = () => window.visualViewport && Math.abs(window.visualViewport.scale - 1) > 0.01;

function next() {
  const number = test.letters + 1;
  const [seeing] = EYES[turn];
  at("stage-title").textContent = say("letter", { eye: nameEye(seeing), number });
  at("letter").classList.add("away");
  waiting = false;
  setTimeout(() => {
    if (step !== "stage") return;
    draw();
    waiting = true;
    at("aloud").textContent = say("aloud", { eye: nameEye(seeing), number });
  }, PAUSE);
}

function draw() {
  const [box, letter] = [at("room"), at("letter")];
  const size = letterSize(exam.lines[test.line], exam.distance) * exam.cssPerMm;
  if (size > box.clientWidth || size > box.clientHeight) return disturbed(say("noRoom"));
  // Snap to whole device pixels, so that only the far edges may fall between two.
  const snap = (length) => Math.round(((length - size) / 2) * exam.ratio) / exam.ratio;
  way = String((crypto.getRandomValues(new Uint8Array(1))[0] % 4) * 90);
  Object.assign(letter.style, {
    width: `${size}px`,
    height: `${size}px`,
    left: `${snap(box.clientWidth)}px`,
    top: `${snap(box.clientHeight)}px`,
  });
  letter.firstElementChild.setAttribute("transform", `rotate(${way} 2.5 2.5)`);
  letter.classList.remove("away");
}

function take(chosen) {
  if (step !== "stage" || !waiting) return;
  if (zoomed()) return disturbed(say("zoomed"));
  test = answer(test, chosen === way);
  if (test.phase !== "done") return next();
  waiting = false;
  exam.eyes[EYES[turn][0]] = test.best;
  turn += 1;
  if (turn < EYES.length) cover("");
  else save();
}

function disturbed(why) {
  waiting = false;
  cover(`${why} ${say("startsOver")}`);
}

document.addEventListener("keydown", (event) => {
  if (step !== "stage" || !(event.key in KEYS) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (!event.repeat) take(KEYS[event.key]);
});
for (const button of document.querySelectorAll(".pad button")) {
  button.addEventListener("click", () => take(button.dataset.way));
}
let touched = null;
at("room").addEventListener("pointerdown", (event) => {
  touched = [event.clientX, event.clientY];
});
window.addEventListener("pointerup", (event) => {
  if (!touched) return;
  const [x, y] = [event.clientX - touched[0], event.clientY - touched[1]];
  touched = null;
  if (Math.max(Math.abs(x), Math.abs(y)) < SWIPE) return;
  if (Math.abs(x) > Math.abs(y)) take(x > 0 ? KEYS.ArrowRight : KEYS.ArrowLeft);
  else take(y > 0 ? KEYS.ArrowDown : KEYS.ArrowUp);
});
window.addEventListener("pointercancel", () => {
  touched = null;
});

// A zoom or another screen changes the size of a pixel and voids the calibration.
window.addEventListener("resize", () => {
  if (exam.ratio && window.devicePixelRatio !== exam.ratio && step !== "save") {
    exam.cssPerMm = 0;
    exam.ratio = 0;
    waiting = false;
    measure(say("again"));
  } else if (step === "distance") tell();
});

// Back: what was measured and chosen stays; from the second eye it leads to the first one, which starts over.

const BACK = {
  health: () => show("intro"),
  card: () => show("intro"),
  distance: () => measure(""),
  cover: () => {
    if (turn === 0) return suggest();
    turn -= 1;
    cover("");
  },
};
for (const button of document.querySelectorAll(".back")) {
  button.addEventListener("click", () => BACK[button.dataset.step]());
}

// The end: a lost connection loses no results.

function results() {
  if (Object.values(exam.signs).includes(true)) return { eye_health: exam.signs };
  const eye = (best) => (best === null ? {} : { logmar: exam.lines[best] });
  return {
    eye_health: exam.signs,
    visual_acuity: {
      right_eye: eye(exam.eyes.right),
      left_eye: eye(exam.eyes.left),
      correction: exam.correction,
      distance: exam.distance,
      smallest_logmar: exam.lines[exam.lines.length - 1],
    },
  };
}

async function save() {
  show("save");
  note("save-told", say("saving"));
  at("save-again").hidden = true;
  let status = 0;
  try {
    const sent = await fetch(at("exam").dataset.results, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(results()),
    });
    status = sent.status;
  } catch {
    status = 0;
  }
  if (status === 204) return location.reload();
  const lost = status >= 400 && status < 500 && status !== 409 && status !== 429;
  note("save-told", say(lost ? "lost" : "notSaved"));
  at("save-again").hidden = lost;
}

at("save-again").addEventListener("click", save);
