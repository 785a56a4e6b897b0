// The page of a payment: looks every few seconds whether it has changed, for at most an hour.

const PAUSE = 3000, LAST = Date.now() + 3600000; // ms

async function look() {
  try {
    const text = await (await fetch(location.href)).text();
    const found = new DOMParser().parseFromString(text, "text/html").getElementById("main");
    if (!found || found.innerHTML !== document.getElementById("main").innerHTML) return location.reload();
  } catch {
    // Offline for a moment: the next look tells.
  }
  if (Date.now() < LAST) setTimeout(look, PAUSE);
}

setTimeout(look, PAUSE);
