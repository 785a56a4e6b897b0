// Times in the reader's zone, and printing. Without scripts times are UTC, and the browser prints.

const two = (number) => String(number).padStart(2, "0");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function nameZone(at) {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(at);
  return parts.find((part) => part.type === "timeZoneName").value;
}

for (const time of document.querySelectorAll("time[datetime$=Z]")) {
  const at = new Date(time.dateTime), label = time.querySelector(".what");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  const text = `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
  time.title = `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  if (label) {
    time.firstChild.data = text;
    label.textContent = ` ${nameZone(at)}`;
  } else time.textContent = `${text} ${nameZone(at)}`;
}
for (const each of document.querySelectorAll(".zone")) each.textContent = `Times are those of your zone, ${zone}.`;

const print = document.getElementById("print");
print.hidden = !document.querySelector(".sheet");
print.addEventListener("click", () => window.print());
