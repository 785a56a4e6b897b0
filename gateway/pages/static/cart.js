// Tells the shop that a person looks at the cart, once they do something on the page. The page works
// without it; programs that only fetch or render it tell nothing.
const signs = ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"];
const report = (event) => {
  if (!event.isTrusted) return;
  for (const sign of signs) removeEventListener(sign, report, true);
  fetch(`${location.pathname}/opened`, { method: "POST", keepalive: true }).catch(() => {});
};
for (const sign of signs) addEventListener(sign, report, { capture: true, passive: true });
