// Poll the state of the order, and reload the page when it changes. Without this script, the buyer
// reloads the page.
const order = document.querySelector("[data-status]");
const began = Date.now();
let timer;

async function poll() {
  try {
    // Polling this URL makes the shop query Alipay, in case the notification is lost.
    if (order.dataset.result) await fetch(order.dataset.result, { cache: "no-store" });
    const response = await fetch(order.dataset.status, { cache: "no-store" });
    if (response.ok && (await response.json()).state !== order.dataset.state) return location.reload();
  } catch (error) {
    // The network failed; the next poll may succeed.
  }
  const minutes = (Date.now() - began) / 60000;
  clearTimeout(timer);
  if (minutes < 45) timer = setTimeout(poll, minutes < 2 ? 2000 : 6000);
}

// In a final state there is no URL to poll. All other states may change: a payment can arrive late, and
// a parcel can be shipped.
if (order) {
  timer = setTimeout(poll, 2000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poll();
  });
}

const clock = document.getElementById("clock");
if (clock) {
  // The server states the remaining time, because the buyer's clock may be wrong.
  const end = began + Number(clock.dataset.left) * 1000;
  setInterval(() => {
    const left = Math.max(0, Math.round((end - Date.now()) / 1000));
    clock.textContent = clock.dataset.text
      .replace("{minutes}", Math.floor(left / 60))
      .replace("{seconds}", left % 60);
  }, 1000);
}
