// Tells the shop that a person looks at the cart, once they do something on the page. The page works
// without it; programs that only fetch or render it tell nothing.
const signs = ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"];
const report = (event) => {
  // A browser without a screen moves a pointer that stands still.
  const moved = event.movementX !== 0 || event.movementY !== 0;
  if (!event.isTrusted || (event.type === "pointermove" && !moved)) return;
  for (const sign of signs) removeEventListener(sign, report, true);
  fetch(`${location.pathname}/opened`, { method: "POST", keepalive: true }).catch(() => {});
};
for (const sign of signs) addEventListener(sign, report, { capture: true, passive: true });
